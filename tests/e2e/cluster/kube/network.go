package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"weir/cluster/spec"
)

const bridge = "br0"

// setUpNetwork makes the bridge that connects the node and the pods. The
// service address of the API server is an address of the node, too.
func setUpNetwork() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = bridge
	br := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(br); err != nil {
		return err
	}
	for _, a := range []string{spec.BridgeCIDR, spec.ServiceIP + "/32"} {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(br, addr); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(br)
}

// forwardServiceAddress makes https://kubernetes.default.svc (port 443) work.
func forwardServiceAddress() error {
	l, err := net.Listen("tcp", spec.ServiceIP+":443")
	if err != nil {
		return err
	}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", spec.NodeIP+":"+spec.APIPort)
				if err != nil {
					in.(*net.TCPConn).SetLinger(0) // a reset, as from a closed port
					return
				}
				defer out.Close()
				go func() {
					io.Copy(out, in)
					out.(*net.TCPConn).CloseWrite()
				}()
				io.Copy(in, out)
			}()
		}
	}()
	return nil
}

// addresses hands out pod addresses in turn, so that one is not used again
// soon: the clients of a pod that went may still know its address.
var addresses = struct {
	sync.Mutex
	next int
	used map[int]bool
}{used: map[int]bool{}}

const maxPods = 250 * 250

func newAddress() (int, string) {
	addresses.Lock()
	defer addresses.Unlock()
	for {
		n := addresses.next
		addresses.next = (n + 1) % maxPods
		if !addresses.used[n] {
			addresses.used[n] = true
			return n, fmt.Sprintf("10.88.%d.%d", 1+n/250, 1+n%250)
		}
	}
}

// podNetwork is a pod's network namespace; it exists as long as the file is
// open or a process is in it.
type podNetwork struct {
	ip     string
	number int
	ns     *os.File
	link   netlink.Link
}

func newPodNetwork() (_ *podNetwork, err error) {
	n := &podNetwork{}
	if n.ns, err = newNetns(); err != nil {
		return nil, err
	}
	n.number, n.ip = newAddress()
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	br, err := netlink.LinkByName(bridge)
	if err != nil {
		return nil, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = fmt.Sprintf("pod%d", n.number)
	attrs.MasterIndex = br.Attrs().Index
	attrs.Flags = net.FlagUp
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(int(n.ns.Fd()))}
	if err := netlink.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("veth: %w", err)
	}
	n.link = veth
	h, err := netlink.NewHandleAt(netns.NsHandle(int(n.ns.Fd())))
	if err != nil {
		return nil, err
	}
	defer h.Close()
	addr, _ := netlink.ParseAddr(n.ip + "/16")
	for _, name := range []string{"lo", "eth0"} {
		l, err := h.LinkByName(name)
		if err != nil {
			return nil, err
		}
		if name == "eth0" {
			if err := h.AddrAdd(l, addr); err != nil {
				return nil, err
			}
		}
		if err := h.LinkSetUp(l); err != nil {
			return nil, err
		}
	}
	return n, h.RouteAdd(&netlink.Route{Gw: net.ParseIP(spec.NodeIP)})
}

func (n *podNetwork) close() {
	if n.link != nil {
		netlink.LinkDel(n.link)
	}
	n.ns.Close()
	addresses.Lock()
	delete(addresses.used, n.number)
	addresses.Unlock()
}

// newNetns makes a network namespace on a thread that is given up afterwards.
func newNetns() (*os.File, error) {
	type result struct {
		f   *os.File
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		f, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		done <- result{f, err}
	}()
	r := <-done
	return r.f, r.err
}
