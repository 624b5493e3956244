package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// dirFlag parses the arguments of a command that only takes --dir and what
// follows, and returns the folder as an absolute path.
func dirFlag(name string, args []string) (string, []string, error) {
	fs := flag.NewFlagSet(name, flag.ExitOnError)
	dir := fs.String("dir", "", "the cluster's folder")
	fs.Parse(args)
	if *dir == "" {
		return "", nil, fmt.Errorf("%s: --dir is missing", name)
	}
	abs, err := filepath.Abs(*dir)
	return abs, fs.Args(), err
}

// clusterPid reads the pid of the cluster's init and opens a handle on it, so
// that a pid that was taken over by another process is never touched.
func clusterPid(dir string) (pid, pidfd int, err error) {
	b, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil {
		return 0, -1, fmt.Errorf("no cluster in %s: %w", dir, err)
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, -1, err
	}
	if pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
		return 0, -1, fmt.Errorf("the cluster in %s is gone: %w", dir, err)
	}
	cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if !strings.Contains(string(cmdline), "\x00"+dir+"\x00") {
		unix.Close(pidfd)
		return 0, -1, fmt.Errorf("the cluster in %s is gone (its pid is another process now)", dir)
	}
	return pid, pidfd, nil
}

// enter runs a command inside the cluster's namespaces (all but the user's),
// with KUBECONFIG set, and ends with that command's exit code. The command
// dies with this process and with the cluster.
func enter(args []string) error {
	dir, command, err := dirFlag("exec", args)
	if err != nil {
		return err
	}
	if len(command) == 0 {
		return errors.New("exec: no command")
	}
	_, pidfd, err := clusterPid(dir)
	if err != nil {
		return err
	}
	cwd, err := os.Getwd()
	if err != nil {
		return err
	}
	self, err := os.Executable() // not to be found out in there
	if err != nil {
		return err
	}
	// A thread that shares its root and working directory with others may not
	// change the mount namespace. Main is locked to this thread.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	spaces := unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC
	if err := unix.Setns(pidfd, spaces); err != nil {
		return fmt.Errorf("exec: entering the cluster: %w", err)
	}
	unix.Close(pidfd)
	cmd := exec.Command(self, append([]string{"bound"}, command...)...)
	cmd.Dir = cwd
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(dir, "kubeconfig"))
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		for s := range signals {
			cmd.Process.Signal(s)
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws := exit.Sys().(syscall.WaitStatus); ws.Signaled() {
			os.Exit(128 + int(ws.Signal()))
		}
		os.Exit(exit.ExitCode())
	}
	return err
}

// bound becomes a command that dies with its parent, which is outside of the
// PID namespace. (SysProcAttr.Pdeathsig cannot do this: it takes the parent
// that it cannot see for dead.)
func bound(command []string) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return err
	}
	if os.Getppid() != 0 {
		return errors.New("exec: the parent process is gone")
	}
	program, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	return unix.Exec(program, command, os.Environ())
}
