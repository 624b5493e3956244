package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"weir/cluster/spec"
)

// up starts a cluster and stays until it ends. Nothing outlives this process:
// the cluster's init has a parent-death signal, everything else lives in the
// PID namespace of that init, and the kernel removes mounts and network
// devices with the last process. And this process ends with its own parent.
func up(args []string) error {
	fs := flag.NewFlagSet("up", flag.ExitOnError)
	dirArg := fs.String("dir", "", "folder for state, logs and the kubeconfig; what an earlier cluster left in it is removed")
	flink := fs.String("flink", "", "Flink versions whose images must be there, comma-separated")
	images := fs.String("images", filepath.Join(cacheDir(), "images"), "folder of the images")
	detach := fs.Bool("detach", false, "return when ready; the cluster then lives until `down`")
	timeout := fs.Duration("timeout", 2*time.Minute, "give up if the cluster is not ready by then")
	fs.Parse(args)
	if *dirArg == "" {
		return errors.New("up: --dir is missing")
	}
	dir, err := filepath.Abs(*dirArg)
	if err != nil {
		return err
	}
	for _, v := range strings.FieldsFunc(*flink, func(r rune) bool { return r == ',' }) {
		if _, err := os.Stat(filepath.Join(*images, "flink_"+v)); err != nil {
			return fmt.Errorf("up: no image for Flink %s (build.sh %s makes it)", v, v)
		}
	}
	if *detach {
		return upDetached(args, dir, *timeout)
	}
	parent, err := watchParent()
	if err != nil {
		return err
	}
	if _, fd, err := clusterPid(dir); err == nil {
		unix.Close(fd)
		return fmt.Errorf("up: a cluster is running in %s", dir)
	}
	for _, f := range []string{"kubeconfig", "pid", "ctl.sock", "etcd", "pods", "run", "pki", "log"} {
		if err := os.RemoveAll(filepath.Join(dir, f)); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "log"), 0o755); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	logFile, err := os.Create(filepath.Join(dir, "log", "node.log"))
	if err != nil {
		return err
	}
	ready, readyWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)

	cmd := exec.Command(filepath.Join(filepath.Dir(self), "weir-kube"), "node", "--images", *images, "--dir", dir, "--")
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.ExtraFiles = []*os.File{readyWrite} // spec.ReadyFD
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true, // a terminal's interrupt reaches us; we pass it on
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readyWrite.Close()
	logFile.Close()
	if err := os.WriteFile(filepath.Join(dir, "pid"), []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o644); err != nil {
		cmd.Process.Kill()
		return err
	}

	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	isReady := make(chan bool, 1)
	go func() {
		n, _ := ready.Read(make([]byte, 1))
		isReady <- n == 1
	}()
	deadline := time.After(*timeout)
	asked := false
	for {
		select {
		case ok := <-isReady:
			if ok {
				deadline = nil
				fmt.Println("ready")
			}
		case <-deadline:
			cmd.Process.Kill()
			<-exited
			return fmt.Errorf("up: not ready after %v, see %s/log", *timeout, dir)
		case <-parent:
			cmd.Process.Kill()
			<-exited
			return errors.New("up: the parent process is gone")
		case <-signals:
			asked = true
			cmd.Process.Signal(syscall.SIGTERM)
		case err := <-exited:
			os.Remove(filepath.Join(dir, "pid"))
			if asked || err == nil {
				return nil
			}
			return fmt.Errorf("up: the cluster ended (%v), see %s/log", err, dir)
		}
	}
}

// upDetached runs up in a session of its own and waits for its "ready".
func upDetached(args []string, dir string, timeout time.Duration) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var rest []string
	for _, a := range args {
		if strings.TrimLeft(a, "-") != "detach" {
			rest = append(rest, a)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	errFile, err := os.Create(filepath.Join(dir, "up.log"))
	if err != nil {
		return err
	}
	defer errFile.Close()
	cmd := exec.Command(self, append([]string{"up"}, rest...)...)
	cmd.Env = append(os.Environ(), "WEIR_CLUSTER_DETACHED=1")
	cmd.Stderr = errFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	b := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(out, b); err != nil {
		cmd.Wait()
		why, _ := os.ReadFile(filepath.Join(dir, "up.log"))
		return fmt.Errorf("up: %s", strings.TrimPrefix(strings.TrimSpace(string(why)), spec.LogPrefix))
	}
	fmt.Print(string(b))
	return nil
}

// watchParent returns a channel that is closed when the parent process ends.
// A parent-death signal would not do here: it is sent when the *thread* that
// started us ends, and a test runner may well start us from a passing thread.
func watchParent() (<-chan struct{}, error) {
	gone := make(chan struct{})
	if os.Getenv("WEIR_CLUSTER_DETACHED") != "" {
		return gone, nil
	}
	ppid := os.Getppid()
	fd, err := unix.PidfdOpen(ppid, 0)
	if err != nil || os.Getppid() != ppid {
		return nil, errors.New("up: the parent process is gone")
	}
	go func() {
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
			if n > 0 && err == nil {
				close(gone)
				return
			}
		}
	}()
	return gone, nil
}

// down ends a cluster and waits until its last process is gone.
func down(args []string) error {
	dir, _, err := dirFlag("down", args)
	if err != nil {
		return err
	}
	_, fd, err := clusterPid(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		unix.PidfdSendSignal(fd, s, nil, 0)
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10000)
			if n > 0 && err == nil {
				return nil
			}
		}
	}
	return errors.New("down: the cluster does not end")
}

func cacheDir() string {
	if d := os.Getenv("WEIR_CACHE"); d != "" {
		return d
	}
	return filepath.Join(os.Getenv("HOME"), ".cache", "weir")
}
