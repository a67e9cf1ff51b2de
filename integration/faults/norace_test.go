//go:build !race

package faults

// slowdown is by how much times may be longer than on an idle machine.
const slowdown = 1
