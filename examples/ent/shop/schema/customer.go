// Package schema is the shop's tables, from which ent generates package shop.
package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	entschema "entgo.io/ent/schema"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
)

// Customer has a name of his own.
type Customer struct{ ent.Schema }

// Fields of Customer.
func (Customer) Fields() []ent.Field {
	return []ent.Field{
		field.String("name").MaxLen(20).Unique(),
		field.Int64("visits").Default(0),
	}
}

// Edges of Customer.
func (Customer) Edges() []ent.Edge {
	return []ent.Edge{edge.To("orders", Order.Type)}
}

// Annotations of Customer name the table.
func (Customer) Annotations() []entschema.Annotation {
	return []entschema.Annotation{entsql.Annotation{Table: "example_customers"}}
}
