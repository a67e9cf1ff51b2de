-- name: AddCustomer :exec
INSERT INTO example_customers (name, visits) VALUES (?, 0);

-- name: AddOrder :exec
INSERT INTO example_orders (customer, item, cents) VALUES (?, ?, ?);

-- name: Orders :many
SELECT c.name, o.item, o.cents
FROM example_customers c JOIN example_orders o ON o.customer = c.name
WHERE o.cents >= ?
ORDER BY c.name, o.item;

-- name: Visit :exec
UPDATE example_customers SET visits = visits + 1 WHERE name = ?;

-- name: Total :one
SELECT c.visits, count(*) AS orders, CAST(sum(o.cents) AS SIGNED) AS cents
FROM example_customers c JOIN example_orders o ON o.customer = c.name
WHERE c.name = ?
GROUP BY c.visits;
