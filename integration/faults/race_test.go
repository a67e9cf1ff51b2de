//go:build race

package faults

// slowdown is by how much times may be longer than on an idle machine: with the
// race detector this process takes several times as long for everything.
const slowdown = 3
