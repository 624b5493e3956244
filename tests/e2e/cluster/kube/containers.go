package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"weir/cluster/spec"
)

// ctr is a container of a pod. Only the pod's goroutine touches it.
type ctr struct {
	p       *pod
	spec    *corev1.Container
	init    bool
	sidecar bool // an init container that keeps running

	proc         *process // nil when it does not run
	runs         int32
	state, last  corev1.ContainerState
	started      bool // passed its startup probe
	ready        bool
	configError  bool // waits for a ConfigMap or Secret
	restartDue   bool // a timer will start it
	backoff      time.Duration
	cancelProbes context.CancelFunc
}

// Restarts: the first is immediate, as with kubelet. After that the pauses are
// a tenth of kubelet's and shorter in the end, to keep tests fast.
const (
	firstBackoff = time.Second
	maxBackoff   = 10 * time.Second
	// A container that ran for so long starts with a clean slate.
	backoffReset = 30 * time.Second
)

// fresh: is it to be started, now or for the first time?
func (c *ctr) fresh() bool {
	return c.proc == nil && !c.restartDue && !c.configError && c.state.Terminated == nil
}

func (c *ctr) succeeded() bool {
	return c.state.Terminated != nil && c.state.Terminated.ExitCode == 0
}

func (c *ctr) wait(reason, message string) {
	c.state = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

// later starts the container again after a pause.
func (c *ctr) later(d time.Duration) {
	c.restartDue = true
	time.AfterFunc(d, func() {
		c.p.post(func() {
			if c.restartDue {
				c.restartDue = false
				c.p.advance()
			}
		})
	})
}

func (c *ctr) start() {
	img, ok := c.p.n.findImage(c.spec.Image)
	if !ok {
		c.imageMissing()
		return
	}
	env, err := c.environment(img)
	if err != nil {
		c.configError = true
		c.wait("CreateContainerConfigError", err.Error())
		return
	}
	description, err := c.describe(img, env)
	if err == nil {
		c.proc, err = c.launch(description)
	}
	if err != nil {
		log.Printf("%s/%s: %s: %v", c.p.ns, c.p.name, c.spec.Name, err)
		c.wait("CreateContainerError", err.Error())
		c.later(firstBackoff)
		return
	}
	c.runs++
	c.state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}
	proc := c.proc
	go func() {
		<-proc.exited
		c.p.post(func() { c.exited(proc) })
	}()
	c.started = c.spec.StartupProbe == nil
	c.ready = c.started && c.spec.ReadinessProbe == nil
	c.startProbes()
	log.Printf("%s/%s: %s runs, %s", c.p.ns, c.p.name, c.spec.Name, c.p.address())
}

// imageMissing plays the failed pull of an image, and looks for it again.
func (c *ctr) imageMissing() {
	if c.state.Waiting == nil || c.state.Waiting.Reason != "ImagePullBackOff" {
		c.wait("ErrImagePull", fmt.Sprintf("failed to pull and unpack image %q: not found", c.spec.Image))
		c.p.report()
		c.backoff = 0
	}
	c.wait("ImagePullBackOff", fmt.Sprintf("Back-off pulling image %q: ErrImagePull: not found", c.spec.Image))
	c.backoff = nextBackoff(c.backoff)
	c.later(c.backoff)
}

func nextBackoff(d time.Duration) time.Duration { return min(max(2*d, firstBackoff), maxBackoff) }

// terminationPath is where the container leaves its last words.
func terminationPath(c *corev1.Container) string {
	if c.TerminationMessagePath != "" {
		return c.TerminationMessagePath
	}
	return "/dev/termination-log"
}

// lastWords is what the container wrote there, at most 4 KiB as the kubelet has it.
func (c *ctr) lastWords(dir string) string {
	text, err := os.ReadFile(dir + "/termination")
	if err != nil {
		return ""
	}
	if len(text) > 4096 {
		text = text[:4096]
	}
	return string(text)
}

// describe says how the container looks to its entry process.
func (c *ctr) describe(img *image, env *environment) (*spec.Container, error) {
	p := c.p
	dir := filepath.Join(p.runDir, "c", fmt.Sprintf("%s.%d", c.spec.Name, c.runs))
	d := &spec.Container{
		Root: dir + "/fs", Scratch: dir + "/rw", Image: img.Root, Hostname: p.hostname,
		Env: env.list(), Dir: img.WorkingDir,
	}
	if c.spec.WorkingDir != "" {
		d.Dir = c.spec.WorkingDir
	}
	if d.Dir == "" {
		d.Dir = "/"
	}
	command, args := env.expandAll(c.spec.Command), env.expandAll(c.spec.Args)
	if len(command) == 0 {
		command = img.Entrypoint
		if len(args) == 0 {
			args = img.Cmd
		}
	}
	d.Args = append(append(d.Args, command...), args...)
	d.UID, d.GID = c.user()
	d.Mounts = append(d.Mounts,
		spec.Mount{From: filepath.Join(p.runDir, "hosts"), To: "/etc/hosts"},
		spec.Mount{From: p.n.resolvConf(), To: "/etc/resolv.conf"},
		spec.Mount{From: dir + "/termination", To: terminationPath(c.spec)})
	for _, m := range c.spec.VolumeMounts {
		from, ok := p.volumes[m.Name]
		if !ok {
			return nil, fmt.Errorf("no volume %s", m.Name)
		}
		sub := m.SubPath
		if m.SubPathExpr != "" {
			sub = env.expand(m.SubPathExpr)
		}
		if sub != "" {
			from = filepath.Join(from, filepath.Clean("/"+sub))
			if _, err := os.Stat(from); os.IsNotExist(err) {
				if err := os.MkdirAll(from, 0o777); err != nil {
					return nil, err
				}
			}
		}
		d.Mounts = append(d.Mounts, spec.Mount{From: from, To: m.MountPath, ReadOnly: m.ReadOnly})
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(dir+"/termination", nil, 0o666); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir+"/termination", 0o666); err != nil { // whoever the container runs as
		return nil, err
	}
	for _, f := range []string{d.Root, d.Scratch} {
		if err := os.MkdirAll(f, 0o755); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (c *ctr) user() (uid, gid *int64) {
	if s := c.p.object().Spec.SecurityContext; s != nil {
		uid, gid = s.RunAsUser, s.RunAsGroup
	}
	if s := c.spec.SecurityContext; s != nil {
		if s.RunAsUser != nil {
			uid = s.RunAsUser
		}
		if s.RunAsGroup != nil {
			gid = s.RunAsGroup
		}
	}
	return
}

func (c *ctr) logPath() string         { return filepath.Join(c.p.logDir, c.spec.Name+".log") }
func (c *ctr) previousLogPath() string { return filepath.Join(c.p.logDir, c.spec.Name+".previous.log") }

func (c *ctr) launch(d *spec.Container) (*process, error) {
	os.Rename(c.logPath(), c.previousLogPath())
	out, err := os.OpenFile(c.logPath(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	text, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("container", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	description := os.NewFile(uintptr(fd), "container")
	defer description.Close()
	if _, err := description.Write(text); err != nil {
		return nil, err
	}
	if _, err := description.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// In the order of spec.SpecFD and spec.NetnsFD.
	files := []uintptr{null.Fd(), out.Fd(), out.Fd(), description.Fd(), c.p.net.ns.Fd()}
	return startProcess(filepath.Join(filepath.Dir(self), "weir-cluster"), []string{"weir-cluster", "container"}, &syscall.ProcAttr{
		Dir: "/", Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true,
			Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC},
	})
}

func (c *ctr) stop(s syscall.Signal) {
	if c.proc != nil {
		c.proc.signal(s)
	}
}

func (c *ctr) stopProbes() {
	if c.cancelProbes != nil {
		c.cancelProbes()
		c.cancelProbes = nil
	}
}

func (c *ctr) exited(proc *process) {
	c.stopProbes()
	c.proc, c.started, c.ready = nil, false, false
	began := c.state.Running.StartedAt
	t := &corev1.ContainerStateTerminated{
		StartedAt: began, FinishedAt: metav1.Now(), ContainerID: c.id(),
		ExitCode: int32(proc.status.ExitStatus()), Reason: "Completed",
	}
	if proc.status.Signaled() {
		t.ExitCode = 128 + int32(proc.status.Signal())
	}
	if t.ExitCode != 0 {
		t.Reason = "Error"
		if t.ExitCode == 128 {
			t.Reason = "StartError" // what our entry process says
		}
		t.Message = tail(c.logPath(), 2048)
	}
	dir := filepath.Join(c.p.runDir, "c", fmt.Sprintf("%s.%d", c.spec.Name, c.runs-1))
	if words := c.lastWords(dir); words != "" {
		t.Message = words
	}
	c.state = corev1.ContainerState{Terminated: t}
	log.Printf("%s/%s: %s ended with %d", c.p.ns, c.p.name, c.spec.Name, t.ExitCode)
	// The container's writable layers go with it; the files of a live one are in use.
	os.RemoveAll(dir)
	if c.p.ending.Load() || c.p.finished || c.p.gone || !c.restarts(t.ExitCode) {
		if c.init && !c.sidecar && t.ExitCode != 0 {
			c.p.failed = true
		}
		c.p.advance()
		return
	}
	if time.Since(began.Time) > backoffReset {
		c.backoff = 0
	}
	pause := c.backoff
	c.backoff = nextBackoff(c.backoff)
	c.p.report() // the end is to be seen, even if the next start follows at once
	c.last = c.state
	c.wait("CrashLoopBackOff", fmt.Sprintf("back-off %v restarting failed container=%s pod=%s_%s(%s)", pause, c.spec.Name, c.p.name, c.p.ns, c.p.uid))
	if pause > 0 {
		c.later(pause)
	}
	c.p.advance()
}

// restarts: is the container to run again after this exit code?
func (c *ctr) restarts(code int32) bool {
	if c.sidecar {
		return true
	}
	switch c.p.object().Spec.RestartPolicy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return code != 0
	}
	return !c.init || code != 0
}

func (c *ctr) id() string { return fmt.Sprintf("weir://%s-%s-%d", c.p.uid, c.spec.Name, c.runs) }

func (c *ctr) status() corev1.ContainerStatus {
	s := corev1.ContainerStatus{
		Name: c.spec.Name, Image: c.spec.Image, State: c.state, LastTerminationState: c.last,
		Ready: c.ready, RestartCount: max(c.runs-1, 0),
	}
	if c.runs > 0 {
		s.ImageID, s.ContainerID = "weir://"+c.spec.Image, c.id()
	}
	if c.init && !c.sidecar {
		s.Ready = c.succeeded()
	}
	started := c.started
	s.Started = &started
	if s.State == (corev1.ContainerState{}) {
		why := "ContainerCreating"
		if len(c.p.init) > 0 {
			why = "PodInitializing"
		}
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: why, Message: c.p.volumesWhy}
	}
	return s
}

// tail returns the end of a file, at most n bytes.
func tail(path string, n int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > n {
		f.Seek(-n, io.SeekEnd)
	}
	b, _ := io.ReadAll(io.LimitReader(f, n))
	return string(b)
}
