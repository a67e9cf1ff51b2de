-- +goose Up
CREATE TABLE example_customers (
    id     INTEGER PRIMARY KEY,
    name   VARCHAR(20) NOT NULL UNIQUE,
    visits BIGINT NOT NULL DEFAULT 0
);

-- +goose Down
DROP TABLE example_customers;
