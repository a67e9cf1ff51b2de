package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// removing returns what removes a folder. If the process is told to end before
// that, the folder is removed as well.
func removing(folder string) (remove func()) {
	told, over := make(chan os.Signal, 1), make(chan struct{})
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) { // as nohup does
			signal.Notify(told, s)
		}
	}
	go func() {
		select {
		case s := <-told:
			os.RemoveAll(folder)
			fmt.Fprintln(os.Stderr, "bench:", s)
			os.Exit(1)
		case <-over:
		}
	}()
	return func() {
		signal.Stop(told)
		close(over)
		os.RemoveAll(folder)
	}
}
