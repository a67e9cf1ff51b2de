-- name: AddCustomer :exec
INSERT INTO example_customers (name, visits) VALUES ($1, 0);

-- name: AddOrder :exec
INSERT INTO example_orders (customer, item, cents) VALUES ($1, $2, $3);

-- name: Orders :many
SELECT c.name, o.item, o.cents
FROM example_customers c JOIN example_orders o ON o.customer = c.name
WHERE o.cents >= $1
ORDER BY c.name, o.item;

-- name: Visit :exec
UPDATE example_customers SET visits = visits + 1 WHERE name = $1;

-- name: Total :one
SELECT c.visits, count(*) AS orders, CAST(sum(o.cents) AS BIGINT) AS cents
FROM example_customers c JOIN example_orders o ON o.customer = c.name
WHERE c.name = $1
GROUP BY c.visits;
