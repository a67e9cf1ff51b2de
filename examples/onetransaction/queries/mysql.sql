-- name: AddCustomer :exec
INSERT INTO example_customers (name) VALUES (?);

-- name: Customers :many
SELECT name FROM example_customers ORDER BY name;
