package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/sqlerr"
	"github.com/akaripool/akari/txn"
)

type order struct {
	customer string
	item     string
	pieces   int64
}

func (o order) String() string {
	return fmt.Sprintf("%s orders %d %s", o.customer, o.pieces, o.item)
}

// shop is the service.
type shop struct {
	pool     *akari.Pool
	stock    stock
	orders   orders
	vouchers vouchers
	audit    audit
	publish  func(message string)
}

// place takes an order:
//
//	@Transactional
//
// It is a transaction, or, if the caller has one, a part of the caller's.
func (s *shop) place(ctx context.Context, o order) error {
	return txn.Do(ctx, s.pool, func(ctx context.Context) error {
		if err := s.audit.write(ctx, o.String()); err != nil {
			return err
		}
		if err := s.orders.insert(ctx, o); err != nil {
			return err
		}
		if err := s.stock.take(ctx, o.item, o.pieces); err != nil {
			return err
		}
		// One voucher for each customer. Who has one gets no other, and the order
		// is none the worse for it.
		if err := s.welcome(ctx, o.customer); err != nil && !sqlerr.IsDuplicate(err) {
			return err
		}
		return txn.AfterCommit(ctx, func(context.Context) error {
			s.publish(o.String())
			return nil
		})
	}, txn.Name("shop.place"))
}

// welcome gives a voucher to a customer:
//
//	@Transactional(propagation = NESTED)
//
// If it fails the transaction around it can go on, also with PostgreSQL.
func (s *shop) welcome(ctx context.Context, customer string) error {
	return txn.Do(ctx, s.pool, func(ctx context.Context) error {
		return s.vouchers.insert(ctx, customer)
	}, txn.Nested, txn.Name("shop.welcome"))
}

// recount writes down how many pieces there are, reckoned from how many there were:
//
//	@Retryable @Transactional(isolation = SERIALIZABLE)
//
// The function may be called several times.
func (s *shop) recount(ctx context.Context, item string, reckon func(pieces int64) int64) error {
	return txn.Do(ctx, s.pool, func(ctx context.Context) error {
		pieces, err := s.stock.pieces(ctx, item)
		if err != nil {
			return err
		}
		return s.stock.set(ctx, item, reckon(pieces))
	}, txn.Isolation(sql.LevelSerializable), txn.Retry{}, txn.Name("shop.recount"))
}

var errCard = errors.New("the card is refused")

// handle is a request for lamps. The middleware has begun a transaction.
func (s *shop) handle(r *http.Request) (answer string, err error) {
	o := order{customer: r.FormValue("customer"), item: "lamps"}
	if o.pieces, err = strconv.ParseInt(r.FormValue("pieces"), 10, 64); err != nil {
		return "", err
	}
	if err := s.place(r.Context(), o); err != nil {
		return "", err
	}
	if r.FormValue("card") != "good" {
		return "", errCard
	}
	return "thank you", nil
}
