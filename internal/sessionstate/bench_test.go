package sessionstate

import "testing"

var sink Effect

func BenchmarkClassify(b *testing.B) {
	for _, c := range []struct {
		name    string
		dialect Dialect
		text    string
	}{
		{"ping", PostgreSQL, "-- ping"},
		{"set", PostgreSQL, "SET LOCAL app.tenant = '42'"},
		{"short", PostgreSQL, "SELECT id, name, email FROM users WHERE id = $1"},
		{"gorm", MySQL, "SELECT * FROM `users` WHERE `users`.`deleted_at` IS NULL AND `users`.`id` = ? ORDER BY `users`.`id` LIMIT ?"},
		{"500 bytes", PostgreSQL, typical},
		{"500 bytes", Unknown, typical},
	} {
		b.Run(c.name+"/"+c.dialect.String(), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.text)))
			for b.Loop() {
				sink |= Classify(c.dialect, c.text)
			}
		})
	}
}

const typical = `-- name: OrdersOfTenant :many
SELECT u.id, u.name, u.email, o.id AS order_id, o.total, o.currency, count(i.id) AS items
FROM users AS u
JOIN orders AS o ON o.user_id = u.id
LEFT JOIN order_items AS i ON i.order_id = o.id
WHERE u.tenant_id = $1 AND u.deleted_at IS NULL
  AND o.status IN ('new', 'paid', 'shipped')
  AND o.created_at > now() - interval '7 days'
  AND lower(u.email) LIKE '%@example.com'
GROUP BY u.id, o.id
ORDER BY o.created_at DESC, o.id
LIMIT 50 OFFSET $2 /* action='list',route='%2Forders' */`
