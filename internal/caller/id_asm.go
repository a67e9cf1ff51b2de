//go:build amd64 || arm64 || 386 || arm

package caller

// record is the address of the runtime's record of the goroutine. It is written
// in assembly: it stands in a register or in thread-local storage, and no
// function of the standard library gives it.
func record() uintptr

// word reads a word of the record.
func word(offset uintptr) uintptr
