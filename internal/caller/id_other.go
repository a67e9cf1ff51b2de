//go:build !(amd64 || arm64 || 386 || arm)

package caller

func id() uintptr { return 0 }
