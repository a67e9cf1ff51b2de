CREATE TABLE example_customers (
    name   VARCHAR(20) PRIMARY KEY,
    visits BIGINT NOT NULL
);

CREATE TABLE example_orders (
    customer VARCHAR(20) NOT NULL REFERENCES example_customers (name),
    item     VARCHAR(20) NOT NULL,
    cents    BIGINT NOT NULL
);
