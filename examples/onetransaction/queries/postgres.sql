-- name: AddCustomer :exec
INSERT INTO example_customers (name) VALUES ($1);

-- name: Customers :many
SELECT name FROM example_customers ORDER BY name;
