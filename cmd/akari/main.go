// Command akari puts load on a database through an Akari pool and reports what
// it measured: see "akari help".
package main

import (
	"os"

	"github.com/akaripool/akari/cmd/akari/internal/command"
)

func main() { os.Exit(command.Main()) }
