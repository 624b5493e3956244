package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"weir/cluster/spec"
)

// container is the first process of a container. The node starts it in new
// mount, PID, UTS and IPC namespaces; it puts the file system together and
// becomes the container's program. Whatever it has to say goes to the
// container's log; 128 as exit code means that the program never ran.
func container([]string) error {
	if err := runContainer(); err != nil {
		fmt.Fprintln(os.Stderr, "cannot start the container: "+err.Error())
		os.Exit(128)
	}
	return nil
}

func runContainer() error {
	var c spec.Container
	f := os.NewFile(spec.SpecFD, "spec")
	if err := json.NewDecoder(f).Decode(&c); err != nil {
		return fmt.Errorf("its description: %w", err)
	}
	f.Close()
	if err := unix.Setns(spec.NetnsFD, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("its network: %w", err)
	}
	unix.Close(spec.NetnsFD)
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := mountRoot(&c); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(c.Hostname)); err != nil {
		return err
	}
	os.MkdirAll(c.Dir, 0o755)
	if err := os.Chdir(c.Dir); err != nil {
		return err
	}
	os.Clearenv()
	for _, e := range c.Env {
		name, value, _ := strings.Cut(e, "=")
		os.Setenv(name, value)
	}
	if len(c.Args) == 0 {
		return fmt.Errorf("no command given")
	}
	program, err := exec.LookPath(c.Args[0])
	if err != nil {
		return err
	}
	if c.GID != nil {
		if err := syscall.Setgroups([]int{int(*c.GID)}); err != nil {
			return err
		}
		if err := syscall.Setgid(int(*c.GID)); err != nil {
			return err
		}
	}
	if c.UID != nil {
		if err := syscall.Setuid(int(*c.UID)); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: %w", program, unix.Exec(program, c.Args, c.Env))
}

// mountRoot makes the container's root: the machine's own root file system
// (for bash, Java and the like) below a throw-away writable layer, so that no
// container changes the machine, and the folders of the image likewise.
func mountRoot(c *spec.Container) error {
	if err := overlay("/", c.Root, c.Scratch+"/root"); err != nil {
		return err
	}
	for _, d := range []string{"dev", "sys"} {
		if err := unix.Mount("/"+d, c.Root+"/"+d, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("/%s: %w", d, err)
		}
	}
	if err := unix.Mount("proc", c.Root+"/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	// The machine's /tmp is no business of a container.
	if err := unix.Mount("tmpfs", c.Root+"/tmp", "tmpfs", 0, "mode=1777"); err != nil {
		return fmt.Errorf("/tmp: %w", err)
	}
	if c.Image != "" {
		if err := mountImage(c); err != nil {
			return err
		}
	}
	// The sources are found on the machine, with its links; the targets in the
	// container, with the container's links (/var/run is one). So the sources
	// are opened before the change of the root, and mounted after it.
	sources := make([]int, len(c.Mounts))
	for i, m := range c.Mounts {
		fd, err := unix.Open(m.From, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("mount of %s: %s: %w", m.To, m.From, err)
		}
		sources[i] = fd
	}
	const old = "/.weir-old-root"
	if err := os.Mkdir(c.Root+old, 0o700); err != nil {
		return err
	}
	if err := unix.PivotRoot(c.Root, c.Root+old); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	for i, m := range c.Mounts {
		if err := bind(fmt.Sprintf("/proc/self/fd/%d", sources[i]), m.To, m.ReadOnly); err != nil {
			return fmt.Errorf("mount of %s: %w", m.To, err)
		}
		unix.Close(sources[i])
	}
	if err := unix.Unmount(old, unix.MNT_DETACH); err != nil {
		return err
	}
	return os.Remove(old)
}

// mountImage puts the image's files over the root: a folder of the image at
// opt/X as a layer of its own, a file at the top by a bind mount.
func mountImage(c *spec.Container) error {
	top, err := os.ReadDir(c.Image)
	if err != nil {
		return err
	}
	for _, e := range top {
		from := filepath.Join(c.Image, e.Name())
		if !e.IsDir() {
			if err := bind(from, filepath.Join(c.Root, e.Name()), true); err != nil {
				return err
			}
			continue
		}
		inner, err := os.ReadDir(from)
		if err != nil {
			return err
		}
		for _, d := range inner {
			to := filepath.Join(c.Root, e.Name(), d.Name())
			if err := os.MkdirAll(to, 0o755); err != nil {
				return err
			}
			if err := overlay(filepath.Join(from, d.Name()), to, filepath.Join(c.Scratch, e.Name()+"-"+d.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func overlay(lower, target, scratch string) error {
	for _, d := range []string{scratch + "/upper", scratch + "/work"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	opts := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, scratch, scratch)
	if err := unix.Mount("overlay", target, "overlay", 0, opts); err != nil {
		return fmt.Errorf("overlay on %s: %w", target, err)
	}
	return nil
}

func bind(from, to string, readOnly bool) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(to, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(to), 0o755); err == nil {
		var f *os.File
		if f, err = os.OpenFile(to, os.O_CREATE|os.O_RDONLY, 0o644); err == nil {
			f.Close()
		}
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if readOnly {
		return unix.Mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	}
	return nil
}
