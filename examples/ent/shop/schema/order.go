package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	entschema "entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
)

// Order belongs to a customer.
type Order struct{ ent.Schema }

// Fields of Order.
func (Order) Fields() []ent.Field {
	return []ent.Field{
		field.String("item").MaxLen(20),
		field.Int64("cents"),
	}
}

// Edges of Order.
func (Order) Edges() []ent.Edge {
	return []ent.Edge{edge.From("customer", Customer.Type).Ref("orders").Unique().Required()}
}

// Annotations of Order name the table.
func (Order) Annotations() []entschema.Annotation {
	return []entschema.Annotation{entsql.Annotation{Table: "example_orders"}}
}
