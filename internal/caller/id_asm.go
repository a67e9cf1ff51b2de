//go:build amd64 || arm64 || 386 || arm

package caller

// id is written in assembly: the goroutine's record stands in a register or in
// thread-local storage, and no function of the standard library gives it.
func id() uintptr
