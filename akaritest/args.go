package akaritest

import (
	"context"
	"database/sql"
	"database/sql/driver"
)

// Probe is an argument that shows which way arguments are converted: what
// arrives at the server is the string "conn checker", "stmt checker" or "column
// converter", for the driver's method that database/sql asked. The default
// conversion refuses it. See the statement ECHO.
type Probe struct{}

// Option is an argument that the driver's checkers take away with
// driver.ErrRemoveArgument, as drivers do with options for one query.
type Option struct{}

// check is CheckNamedValue. It takes Probe, Option and sql.Out and leaves
// everything else to what comes next.
func (c *conn) check(v *driver.NamedValue, who string) error {
	call := Call{Op: OpCheck, ConnID: c.id}
	defer c.leave(c.enter(&call))
	c.server.arrived(&call)
	ctx := context.Background()
	if err := c.server.before(ctx, c, &call); err != nil {
		return unlessNil(err)
	}
	switch v.Value.(type) {
	case Probe:
		v.Value = who
	case Option:
		return driver.ErrRemoveArgument
	case sql.Out:
	default:
		return driver.ErrSkip
	}
	return unlessNil(c.depart(ctx, &call))
}

type probeConverter struct{}

func (probeConverter) ConvertValue(v any) (driver.Value, error) {
	if _, ok := v.(Probe); ok {
		return "column converter", nil
	}
	return driver.DefaultParameterConverter.ConvertValue(v)
}
