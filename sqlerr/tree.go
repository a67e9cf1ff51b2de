package sqlerr

import "iter"

// Trees of errors that somebody has made are small. These bounds are for those
// that go in circles.
const (
	mostErrors = 1000
	mostDeep   = 100
)

// tree visits an error and all that it wraps, each before what is below it: the
// order of errors.Is.
func tree(err error) iter.Seq[error] {
	type place struct {
		err  error
		deep int
	}
	return func(yield func(error) bool) {
		var few [8]place
		left := append(few[:0], place{err, 0})
		for n := 0; len(left) > 0 && n < mostErrors; n++ {
			at := left[len(left)-1]
			left = left[:len(left)-1]
			if at.err == nil {
				continue
			}
			if !yield(at.err) {
				return
			}
			if at.deep == mostDeep {
				continue
			}
			more := below(at.err)
			more = more[:min(len(more), mostErrors-len(left))]
			for i := len(more) - 1; i >= 0; i-- {
				left = append(left, place{more[i], at.deep + 1})
			}
		}
	}
}

// below is what an error wraps.
func below(err error) (found []error) {
	defer func() { _ = recover() }() // a nil pointer, for instance
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		found = []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		found = e.Unwrap()
	}
	return found
}
