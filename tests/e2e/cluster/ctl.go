package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// ctl sends one command line to the node and waits for its answer: any number
// of lines of output, then "ok" or "error: WHY".
func ctl(args []string) error {
	dir, command, err := dirFlag("ctl", args)
	if err != nil {
		return err
	}
	if len(command) == 0 {
		return errors.New("ctl: no command (try: help)")
	}
	// A socket's path may have 107 bytes at most, and test folders are deep.
	if err := os.Chdir(dir); err != nil {
		return err
	}
	conn, err := net.Dial("unix", "ctl.sock")
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintln(conn, strings.Join(command, " "))
	in := bufio.NewScanner(conn)
	for in.Scan() {
		switch line := in.Text(); {
		case line == "ok":
			return nil
		case strings.HasPrefix(line, "error: "):
			return errors.New("ctl: " + strings.TrimPrefix(line, "error: "))
		default:
			fmt.Println(line)
		}
	}
	return errors.New("ctl: the cluster hung up")
}
