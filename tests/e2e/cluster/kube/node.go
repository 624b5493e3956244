package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	"weir/cluster/spec"
)

// nodeRunner is what kubelet, the scheduler, the container runtime and DNS are
// in a real cluster, for one node.
type nodeRunner struct {
	dir    string
	images string
	client kubernetes.Interface
	cp     *controlPlane

	mu      sync.Mutex
	pods    map[types.UID]*pod
	factory informers.SharedInformerFactory
	stop    context.CancelFunc // ends the informers
	frozen  chan struct{}      // nil, or open until the thaw

	hostsMu    sync.Mutex
	ownHosts   string // the machine's own hosts file
	hostsDirty chan struct{}
}

// node is PID 1 of the cluster's namespaces.
func node(args []string) {
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)
	fs := flag.NewFlagSet("node", flag.ExitOnError)
	dir := fs.String("dir", "", "the cluster's folder")
	images := fs.String("images", "", "folder of the images")
	fs.Parse(args)

	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	reap()
	n := &nodeRunner{dir: *dir, images: *images, pods: map[types.UID]*pod{}, hostsDirty: make(chan struct{}, 1)}
	go func() {
		if err := n.start(context.Background()); err != nil {
			log.Fatal(err)
		}
		ready := os.NewFile(spec.ReadyFD, "ready")
		fmt.Fprintln(ready, "ready")
		ready.Close()
		log.Print("ready")
	}()
	<-ended
	log.Print("asked to end")
	os.Exit(0) // and with PID 1 the kernel ends all others
}

func (n *nodeRunner) start(ctx context.Context) error {
	syscall.CloseOnExec(spec.ReadyFD)
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	// The writable layers of containers must not be on the file system that is
	// their lower layer; and on a file system of our own nothing is left behind.
	run := filepath.Join(n.dir, "run")
	if err := os.MkdirAll(run, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", run, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("%s: %w", run, err)
	}
	if err := n.setUpNames(); err != nil {
		return err
	}
	if err := setUpNetwork(); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	var err error
	if n.cp, err = newControlPlane(n.dir); err != nil {
		return err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(n.cp.kubeconfig())
	if err != nil {
		return err
	}
	config.QPS = -1
	config.ContentType = "application/vnd.kubernetes.protobuf"
	if n.client, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	if err := n.serveControl(); err != nil {
		return err
	}
	if err := n.cp.start(ctx, n.client); err != nil {
		return err
	}
	if err := forwardServiceAddress(); err != nil {
		return err
	}
	if err := n.serveLogs(); err != nil {
		return err
	}
	if err := n.register(ctx); err != nil {
		return err
	}
	go n.hostsLoop()
	if err := n.watch(ctx); err != nil {
		return err
	}
	if err := n.waitForServiceAccount(ctx); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(n.dir, "kubeconfig"), n.cp.kubeconfig(), 0o600)
}

// register makes the Node object. It claims to be large, as nothing here
// limits what a pod uses.
func (n *nodeRunner) register(ctx context.Context) error {
	size := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("64"), corev1.ResourceMemory: resource.MustParse("256Gi"),
		corev1.ResourcePods: resource.MustParse("1000"), corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: spec.NodeName, Labels: map[string]string{
		corev1.LabelHostname: spec.NodeName, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
	}}}
	node, err := n.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	now := metav1.Now()
	node.Status = corev1.NodeStatus{
		Capacity: size, Allocatable: size,
		Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: spec.NodeIP}, {Type: corev1.NodeHostName, Address: spec.NodeName}},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: logPort}},
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue,
			Reason: "KubeletReady", LastHeartbeatTime: now, LastTransitionTime: now}},
		NodeInfo: corev1.NodeSystemInfo{KubeletVersion: "v1.34.4-weir", OperatingSystem: "linux", Architecture: "amd64"},
	}
	node.Spec.Taints = nil
	if _, err = n.client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{}); err != nil {
		return err
	}
	// Admission taints each new node as not ready; the controller that takes
	// the taint away is not running.
	_, err = n.client.CoreV1().Nodes().Patch(ctx, spec.NodeName, types.MergePatchType, []byte(`{"spec":{"taints":null}}`), metav1.PatchOptions{})
	return err
}

// waitForServiceAccount returns when pods can be created in "default": its
// service account and the CA for its token are there.
func (n *nodeRunner) waitForServiceAccount(ctx context.Context) error {
	return waitFor(ctx, func() error {
		if _, err := n.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{}); err != nil {
			return err
		}
		_, err := n.configMaps().ConfigMaps("default").Get("kube-root-ca.crt")
		return err
	})
}

// watch starts the informers. It is called again after an outage of the API
// server, because informers that lost their connection back off for long.
func (n *nodeRunner) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	f := informers.NewSharedInformerFactory(n.client, 0)
	pods := f.Core().V1().Pods().Informer()
	watched := []struct {
		informer cache.SharedIndexInformer
		handler  cache.ResourceEventHandlerFuncs
	}{
		{pods, handlers(n.podChanged, n.podGone)},
		{f.Core().V1().Services().Informer(), handlers(func(*corev1.Service) { n.hostsChanged() }, func(*corev1.Service) { n.hostsChanged() })},
		{f.Core().V1().ConfigMaps().Informer(), handlers(func(c *corev1.ConfigMap) { n.sourceChanged("configmap", c.Namespace, c.Name) }, func(*corev1.ConfigMap) {})},
		{f.Core().V1().Secrets().Informer(), handlers(func(s *corev1.Secret) { n.sourceChanged("secret", s.Namespace, s.Name) }, func(*corev1.Secret) {})},
	}
	n.mu.Lock()
	if n.stop != nil {
		n.stop()
	}
	n.factory, n.stop = f, cancel
	n.mu.Unlock()
	for _, w := range watched {
		if _, err := w.informer.AddEventHandler(w.handler); err != nil {
			return err
		}
	}
	f.Start(ctx.Done())
	for kind, ok := range f.WaitForCacheSync(ctx.Done()) {
		if !ok {
			return fmt.Errorf("no list of %v", kind)
		}
	}
	// Pods that went while nothing was watched.
	for _, p := range n.allPods() {
		current, err := f.Core().V1().Pods().Lister().Pods(p.ns).Get(p.name)
		if apierrors.IsNotFound(err) || err == nil && current.UID != p.uid {
			p.post(p.vanish)
		}
	}
	n.hostsChanged()
	return nil
}

func handlers[T any](changed, gone func(T)) cache.ResourceEventHandlerFuncs {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { changed(o.(T)) },
		UpdateFunc: func(_, o any) { changed(o.(T)) },
		DeleteFunc: func(o any) {
			if last, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = last.Obj
			}
			gone(o.(T))
		},
	}
}

func (n *nodeRunner) listers() informers.SharedInformerFactory {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.factory
}

func (n *nodeRunner) services() corelisters.ServiceLister {
	return n.listers().Core().V1().Services().Lister()
}
func (n *nodeRunner) configMaps() corelisters.ConfigMapLister {
	return n.listers().Core().V1().ConfigMaps().Lister()
}
func (n *nodeRunner) secrets() corelisters.SecretLister {
	return n.listers().Core().V1().Secrets().Lister()
}

func (n *nodeRunner) podChanged(obj *corev1.Pod) {
	if obj.Spec.NodeName == "" {
		go n.schedule(obj)
		return
	}
	n.mu.Lock()
	p := n.pods[obj.UID]
	if p == nil {
		p = newPod(n, obj)
		n.pods[obj.UID] = p
		go p.work()
	}
	n.mu.Unlock()
	p.post(func() { p.update(obj) })
}

func (n *nodeRunner) podGone(obj *corev1.Pod) {
	n.mu.Lock()
	p := n.pods[obj.UID]
	n.mu.Unlock()
	if p != nil {
		p.post(p.vanish)
	}
}

func (n *nodeRunner) forget(p *pod) {
	n.mu.Lock()
	delete(n.pods, p.uid)
	n.mu.Unlock()
	n.hostsChanged()
}

func (n *nodeRunner) allPods() []*pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]*pod, 0, len(n.pods))
	for _, p := range n.pods {
		out = append(out, p)
	}
	return out
}

func (n *nodeRunner) findPod(ns, name string) *pod {
	for _, p := range n.allPods() {
		if p.ns == ns && p.name == name {
			return p
		}
	}
	return nil
}

// sourceChanged passes a new ConfigMap or Secret on to the pods of its
// namespace: some wait for it, others have it mounted.
func (n *nodeRunner) sourceChanged(kind, ns, name string) {
	for _, p := range n.allPods() {
		if p.ns == ns {
			p.post(func() { p.sourceChanged(kind, name) })
		}
	}
}

// schedule binds a pod to the node, or says why it does not fit: a selector
// that does not match, or a request that is larger than the node.
func (n *nodeRunner) schedule(obj *corev1.Pod) {
	if obj.DeletionTimestamp != nil || len(obj.Spec.SchedulingGates) > 0 {
		return
	}
	ctx := context.Background()
	for {
		var err error
		if why := unschedulable(obj); why != "" {
			patch := fmt.Sprintf(`{"status":{"conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":%q,"lastTransitionTime":%q}]}}`,
				why, time.Now().UTC().Format(time.RFC3339))
			for _, c := range obj.Status.Conditions {
				if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
					return
				}
			}
			_, err = n.client.CoreV1().Pods(obj.Namespace).Patch(ctx, obj.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
		} else {
			err = n.client.CoreV1().Pods(obj.Namespace).Bind(ctx, &corev1.Binding{
				ObjectMeta: metav1.ObjectMeta{Name: obj.Name, UID: obj.UID},
				Target:     corev1.ObjectReference{Kind: "Node", Name: spec.NodeName},
			}, metav1.CreateOptions{})
		}
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return
		}
		log.Printf("binding %s/%s: %v", obj.Namespace, obj.Name, err)
		time.Sleep(retryDelay)
	}
}

func unschedulable(obj *corev1.Pod) string {
	nodeLabels := labels.Set{corev1.LabelHostname: spec.NodeName, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64"}
	if !labels.SelectorFromSet(obj.Spec.NodeSelector).Matches(nodeLabels) {
		return "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
	}
	cpu, memory := resource.Quantity{}, resource.Quantity{}
	for _, c := range obj.Spec.Containers {
		cpu.Add(*c.Resources.Requests.Cpu())
		memory.Add(*c.Resources.Requests.Memory())
	}
	var lacking []string
	if cpu.Cmp(resource.MustParse("64")) > 0 {
		lacking = append(lacking, "1 Insufficient cpu")
	}
	if memory.Cmp(resource.MustParse("256Gi")) > 0 {
		lacking = append(lacking, "1 Insufficient memory")
	}
	if len(lacking) > 0 {
		return "0/1 nodes are available: " + strings.Join(lacking, ", ") + "."
	}
	return ""
}

// retryDelay is the pause after a request that the API server did not take.
const retryDelay = 200 * time.Millisecond

// waitThawed returns at once unless the node is frozen.
func (n *nodeRunner) waitThawed() {
	n.mu.Lock()
	frozen := n.frozen
	n.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}
