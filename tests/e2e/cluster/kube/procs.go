package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// The node is PID 1 of its namespace, so it gets orphans to reap besides the
// processes it started. os/exec waits for single processes and cannot live
// beside a wait for all of them; hence starting and waiting of our own.

type process struct {
	pid    int
	exited chan struct{}      // closed at the end
	status syscall.WaitStatus // valid after that
}

var children = struct {
	sync.Mutex
	byPid map[int]*process
}{byPid: map[int]*process{}}

// startProcess starts a program; the lock keeps the reaper from looking for
// the process before it is entered.
func startProcess(program string, argv []string, attr *syscall.ProcAttr) (*process, error) {
	children.Lock()
	defer children.Unlock()
	pid, err := syscall.ForkExec(program, argv, attr)
	if err != nil {
		return nil, err
	}
	p := &process{pid: pid, exited: make(chan struct{})}
	children.byPid[pid] = p
	return p, nil
}

// signal does nothing when the process has ended: the pid may belong to
// another one by then. Reaping takes the same lock.
func (p *process) signal(s syscall.Signal) {
	children.Lock()
	defer children.Unlock()
	if children.byPid[p.pid] == p {
		syscall.Kill(p.pid, s)
	}
}

func reap() {
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	go func() {
		for range died {
			for reapOne() {
			}
		}
	}()
}

func reapOne() bool {
	children.Lock()
	defer children.Unlock()
	var ws syscall.WaitStatus
	pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
	if err == syscall.EINTR {
		return true
	}
	if err != nil || pid <= 0 {
		return false
	}
	if p := children.byPid[pid]; p != nil {
		delete(children.byPid, pid)
		p.status = ws
		close(p.exited)
	}
	return true
}
