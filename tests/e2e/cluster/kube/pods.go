package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"weir/cluster/spec"
)

// pod is one pod on the node. All that changes it is a function in its queue,
// run by one goroutine; so it needs no locks, but for what others look at.
type pod struct {
	n        *nodeRunner
	uid      types.UID
	ns, name string
	hostname string
	runDir   string // hosts file, volumes, roots; on the tmpfs
	logDir   string // stays when the pod is gone

	mu    sync.Mutex
	queue []func()
	obj   *corev1.Pod // as last seen
	net   *podNetwork
	wake  chan struct{}

	ending    atomic.Bool // to be deleted
	hostsText string      // guarded by the node's hostsMu

	init, main  []*ctr
	volumes     map[string]string // name -> folder or file on the host
	volumesWhy  string            // why they are not ready
	initialized bool
	failed      bool // an init container failed for good
	finished    bool // no container will run again
	gone        bool // the object is no more
	startTime   metav1.Time
	conditions  map[corev1.PodConditionType]corev1.PodCondition

	publish *publisher
}

// maxGrace caps the time between TERM and KILL, to keep tests fast.
const maxGrace = 5 * time.Second

func newPod(n *nodeRunner, obj *corev1.Pod) *pod {
	p := &pod{
		n: n, uid: obj.UID, ns: obj.Namespace, name: obj.Name, obj: obj,
		hostname:   obj.Name,
		runDir:     filepath.Join(n.dir, "run", string(obj.UID)),
		logDir:     filepath.Join(n.dir, "pods", obj.Namespace+"_"+obj.Name),
		wake:       make(chan struct{}, 1),
		startTime:  metav1.Now(),
		conditions: map[corev1.PodConditionType]corev1.PodCondition{},
	}
	if obj.Spec.Hostname != "" {
		p.hostname = obj.Spec.Hostname
	}
	if len(p.hostname) > 63 {
		p.hostname = p.hostname[:63] // the kernel's limit, and kubelet's
	}
	for i := range obj.Spec.InitContainers {
		c := &ctr{p: p, spec: &obj.Spec.InitContainers[i], init: true}
		c.sidecar = c.spec.RestartPolicy != nil && *c.spec.RestartPolicy == corev1.ContainerRestartPolicyAlways
		p.init = append(p.init, c)
	}
	for i := range obj.Spec.Containers {
		p.main = append(p.main, &ctr{p: p, spec: &obj.Spec.Containers[i]})
	}
	p.publish = newPublisher(p)
	return p
}

func (p *pod) post(f func()) {
	p.mu.Lock()
	p.queue = append(p.queue, f)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *pod) work() {
	for range p.wake {
		for {
			p.n.waitThawed()
			p.mu.Lock()
			if len(p.queue) == 0 {
				p.mu.Unlock()
				break
			}
			f := p.queue[0]
			p.queue = p.queue[1:]
			p.mu.Unlock()
			f()
			if p.gone && p.running() == 0 {
				p.cleanUp()
				return
			}
		}
	}
}

func (p *pod) object() *corev1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.obj
}

func (p *pod) labels() map[string]string { return p.object().Labels }

func (p *pod) address() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.net == nil {
		return ""
	}
	return p.net.ip
}

func (p *pod) all() []*ctr { return append(append([]*ctr{}, p.init...), p.main...) }

func (p *pod) running() (n int) {
	for _, c := range p.all() {
		if c.proc != nil {
			n++
		}
	}
	return n
}

func (p *pod) update(obj *corev1.Pod) {
	old := p.object()
	p.mu.Lock()
	p.obj = obj
	p.mu.Unlock()
	for i := range obj.Spec.InitContainers {
		p.init[i].spec = &obj.Spec.InitContainers[i]
	}
	for i := range obj.Spec.Containers {
		p.main[i].spec = &obj.Spec.Containers[i]
	}
	if !mapsEqual(old.Labels, obj.Labels) {
		p.n.hostsChanged()
	}
	if obj.DeletionTimestamp != nil {
		p.terminate(obj)
		return
	}
	if !p.finished {
		p.advance()
	}
}

func mapsEqual(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || w != v {
			return false
		}
	}
	return true
}

// advance does the next thing there is to do for a pod, and reports. It may be
// called at any time.
func (p *pod) advance() {
	if p.gone {
		return
	}
	if p.ending.Load() {
		p.finishDeletion()
		return
	}
	if !p.finished {
		if p.prepare() {
			p.startContainers()
		}
		p.checkFinished()
	}
	p.report()
}

// prepare makes network and volumes; false means: not yet.
func (p *pod) prepare() bool {
	if p.net == nil {
		if err := os.MkdirAll(p.runDir, 0o755); err != nil {
			p.volumesWhy = err.Error()
			return false
		}
		if err := os.MkdirAll(p.logDir, 0o755); err != nil {
			p.volumesWhy = err.Error()
			return false
		}
		network, err := newPodNetwork()
		if err != nil {
			log.Printf("%s/%s: network: %v", p.ns, p.name, err)
			p.volumesWhy = "network: " + err.Error()
			time.AfterFunc(time.Second, func() { p.post(p.advance) })
			return false
		}
		p.mu.Lock()
		p.net = network
		p.mu.Unlock()
		if err := p.n.writeHostsNow(p); err != nil {
			log.Printf("%s/%s: hosts: %v", p.ns, p.name, err)
		}
		p.n.hostsChanged()
	}
	if p.volumes == nil {
		v, err := p.makeVolumes()
		if err != nil {
			if why := err.Error(); why != p.volumesWhy {
				p.volumesWhy = why
				log.Printf("%s/%s: waiting for volumes: %v", p.ns, p.name, err)
			}
			if !apierrors.IsNotFound(err) { // what is not found will be told by a watch
				time.AfterFunc(time.Second, func() { p.post(p.advance) })
			}
			return false
		}
		p.volumes, p.volumesWhy = v, ""
	}
	return true
}

func (p *pod) startContainers() {
	for _, c := range p.init {
		if c.fresh() {
			c.start()
		}
		switch {
		case c.sidecar && c.started:
		case !c.sidecar && c.succeeded():
		default:
			return
		}
	}
	p.initialized = true
	for _, c := range p.main {
		if c.fresh() {
			c.start()
		}
	}
}

// checkFinished finds out whether anything will run again, and if not, ends
// the sidecars.
func (p *pod) checkFinished() {
	if !p.failed {
		for _, c := range p.main {
			if c.proc != nil || c.state.Terminated == nil || c.restartDue {
				return
			}
		}
	}
	p.finished = true
	for _, c := range p.all() {
		c.stop(syscall.SIGTERM)
	}
	if p.running() > 0 {
		time.AfterFunc(maxGrace, func() { p.post(p.killAll) })
	}
}

func (p *pod) killAll() {
	for _, c := range p.all() {
		c.stop(syscall.SIGKILL)
	}
}

// sourceChanged: a ConfigMap or Secret of the namespace is new or different.
func (p *pod) sourceChanged(kind, name string) {
	if p.gone || p.finished || p.ending.Load() {
		return
	}
	if p.volumes != nil {
		p.refreshVolumes(kind, name)
	}
	waiting := p.volumes == nil
	for _, c := range p.all() {
		if c.configError {
			c.configError, waiting = false, true
		}
	}
	if waiting {
		p.advance()
	}
}

func (p *pod) terminate(obj *corev1.Pod) {
	if p.ending.Swap(true) {
		if obj.DeletionGracePeriodSeconds != nil && *obj.DeletionGracePeriodSeconds == 0 {
			p.killAll()
		}
		return
	}
	p.n.hostsChanged()
	grace := maxGrace
	if s := obj.DeletionGracePeriodSeconds; s != nil {
		grace = min(grace, time.Duration(*s)*time.Second)
	}
	for _, c := range p.all() {
		c.restartDue = false
		c.stop(syscall.SIGTERM)
	}
	time.AfterFunc(grace, func() { p.post(p.killAll) })
	p.advance()
}

// finishDeletion reports the end of the last container and then deletes the
// object for good.
func (p *pod) finishDeletion() {
	p.report()
	if p.running() == 0 {
		p.publish.delete()
	}
}

// vanish: the object is gone, so everything ends at once.
func (p *pod) vanish() {
	if p.gone {
		return
	}
	p.gone = true
	p.ending.Store(true)
	p.publish.close()
	p.killAll()
}

func (p *pod) cleanUp() {
	p.publish.close()
	for _, c := range p.all() {
		c.stopProbes()
	}
	p.n.forget(p)
	p.mu.Lock()
	network := p.net
	p.mu.Unlock()
	if network != nil {
		network.close()
	}
	// Not before the hosts loop has stopped writing there.
	p.n.hostsMu.Lock()
	defer p.n.hostsMu.Unlock()
	if err := os.RemoveAll(p.runDir); err != nil {
		log.Printf("%s/%s: %v", p.ns, p.name, err)
	}
}

// ---- status

func (p *pod) report() { p.publish.status(p.status()) }

func (p *pod) status() corev1.PodStatus {
	s := corev1.PodStatus{Phase: p.phase(), StartTime: &p.startTime, HostIP: spec.NodeIP, HostIPs: []corev1.HostIP{{IP: spec.NodeIP}}}
	s.QOSClass = p.object().Status.QOSClass
	if ip := p.address(); ip != "" {
		s.PodIP, s.PodIPs = ip, []corev1.PodIP{{IP: ip}}
	}
	ready := !p.finished && p.initialized
	for _, c := range p.init {
		s.InitContainerStatuses = append(s.InitContainerStatuses, c.status())
	}
	for _, c := range p.main {
		cs := c.status()
		ready = ready && cs.Ready
		s.ContainerStatuses = append(s.ContainerStatuses, cs)
	}
	initialized, whyInit := p.initialized, "ContainersNotInitialized"
	whyReady := "ContainersNotReady"
	if s.Phase == corev1.PodSucceeded {
		initialized, whyReady = true, "PodCompleted"
	}
	p.condition(&s, corev1.PodReadyToStartContainers, p.address() != "", "")
	p.condition(&s, corev1.PodInitialized, initialized, whyInit)
	p.condition(&s, corev1.PodReady, ready, whyReady)
	p.condition(&s, corev1.ContainersReady, ready, whyReady)
	p.condition(&s, corev1.PodScheduled, true, "")
	return s
}

func (p *pod) condition(s *corev1.PodStatus, kind corev1.PodConditionType, holds bool, why string) {
	c := corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue}
	if !holds {
		c.Status, c.Reason = corev1.ConditionFalse, why
	}
	c.LastTransitionTime = metav1.Now()
	if old, ok := p.conditions[kind]; ok && old.Status == c.Status {
		c.LastTransitionTime = old.LastTransitionTime
	}
	p.conditions[kind] = c
	s.Conditions = append(s.Conditions, c)
}

func (p *pod) phase() corev1.PodPhase {
	if p.failed {
		return corev1.PodFailed
	}
	ended, ran, bad := 0, false, false
	for _, c := range p.main {
		if c.state.Terminated != nil && !c.restartDue {
			ended++
			bad = bad || c.state.Terminated.ExitCode != 0
		}
		ran = ran || c.state.Running != nil || c.state.Terminated != nil || c.last.Terminated != nil
	}
	switch {
	case ended == len(p.main) && (p.finished || p.ending.Load()) && bad:
		return corev1.PodFailed
	case ended == len(p.main) && (p.finished || p.ending.Load()):
		return corev1.PodSucceeded
	case ran:
		return corev1.PodRunning
	}
	return corev1.PodPending
}

// publisher sends the newest status of a pod to the API server, and keeps at
// it while the server is away. It never holds up the pod.
type publisher struct {
	p    *pod
	wake chan struct{}

	mu     sync.Mutex
	want   []byte // newest patch, nil if sent
	last   string // newest status handed in
	remove bool
	closed bool
}

func newPublisher(p *pod) *publisher {
	u := &publisher{p: p, wake: make(chan struct{}, 1)}
	go u.work()
	return u
}

func (u *publisher) poke() {
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

func (u *publisher) status(s corev1.PodStatus) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": u.p.uid}, "status": s})
	if err != nil {
		log.Print(err)
		return
	}
	u.mu.Lock()
	if string(patch) != u.last {
		u.last, u.want = string(patch), patch
	}
	u.mu.Unlock()
	u.poke()
}

func (u *publisher) delete() {
	u.mu.Lock()
	u.remove = true
	u.mu.Unlock()
	u.poke()
}

func (u *publisher) close() {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
	u.poke()
}

func (u *publisher) work() {
	pods := u.p.n.client.CoreV1().Pods(u.p.ns)
	ctx := context.Background()
	for range u.wake {
		deleted := false
		for {
			u.p.n.waitThawed()
			u.mu.Lock()
			patch, remove, closed := u.want, u.remove, u.closed
			u.want = nil
			u.mu.Unlock()
			if closed {
				return
			}
			var err error
			switch {
			case patch != nil:
				_, err = pods.Patch(ctx, u.p.name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
			case remove:
				now := int64(0)
				err = pods.Delete(ctx, u.p.name, metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &u.p.uid}})
			}
			if err == nil {
				if patch == nil {
					deleted = remove
					break
				}
				continue
			}
			if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
				if remove { // gone, or another pod of the same name; the watch tells, too
					u.p.post(u.p.vanish)
				}
				break
			}
			log.Printf("status of %s/%s: %v", u.p.ns, u.p.name, err)
			u.mu.Lock()
			if u.want == nil {
				u.want = patch
			}
			u.mu.Unlock()
			time.Sleep(retryDelay)
		}
		if deleted {
			return // finalizers may keep the object, but that is not our business
		}
	}
}
