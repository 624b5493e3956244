package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"weir/cluster/spec"
)

// logPort is where the API server looks for kubelet, for `kubectl logs`.
const logPort = 10250

// serveLogs answers the API server's requests for container logs. Anyone in
// the cluster's network may ask: there are only tests.
func (n *nodeRunner) serveLogs() error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{ns}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		file := r.PathValue("container") + ".log"
		if b, _ := strconv.ParseBool(r.FormValue("previous")); b {
			file = r.PathValue("container") + ".previous.log"
		}
		f, err := os.Open(filepath.Join(n.dir, "pods", r.PathValue("ns")+"_"+r.PathValue("pod"), filepath.Base(file)))
		if err != nil {
			http.Error(w, "no log of this container", http.StatusNotFound)
			return
		}
		defer f.Close()
		if lines, err := strconv.Atoi(r.FormValue("tailLines")); err == nil {
			if err := seekLines(f, lines); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		var out io.Writer = w
		in := io.Reader(f)
		if limit, err := strconv.ParseInt(r.FormValue("limitBytes"), 10, 64); err == nil {
			in = io.LimitReader(f, limit)
		}
		w.Header().Set("Content-Type", "text/plain")
		io.Copy(out, in)
		if follow, _ := strconv.ParseBool(r.FormValue("follow")); follow {
			n.follow(r.Context(), w, f, r.PathValue("ns"), r.PathValue("pod"), r.PathValue("container"))
		}
	})
	server := &http.Server{Addr: spec.NodeIP + ":" + strconv.Itoa(logPort), Handler: mux, ErrorLog: log.Default()}
	go func() {
		log.Fatal(server.ListenAndServeTLS(filepath.Join(n.dir, "pki/node.crt"), filepath.Join(n.dir, "pki/node.key")))
	}()
	return nil
}

// follow copies what is added to a log until its container ends.
func (n *nodeRunner) follow(ctx context.Context, w http.ResponseWriter, f *os.File, ns, name, container string) {
	flush := http.NewResponseController(w)
	ended := make(chan struct{})
	if p := n.findPod(ns, name); p != nil {
		p.post(func() {
			for _, c := range p.all() {
				if c.spec.Name == container && c.proc != nil {
					proc := c.proc
					go func() { <-proc.exited; close(ended) }()
					return
				}
			}
			close(ended)
		})
	} else {
		close(ended)
	}
	for {
		flush.Flush()
		var last bool
		select {
		case <-ctx.Done():
			return
		case <-ended:
			last = true
		case <-time.After(50 * time.Millisecond):
		}
		if _, err := io.Copy(w, f); err != nil || last {
			return
		}
	}
}

// seekLines moves to the start of the last n lines.
func seekLines(f *os.File, n int) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	buf := make([]byte, 1)
	for pos, seen := end-1, 0; ; pos-- {
		if pos < 0 {
			_, err = f.Seek(0, io.SeekStart)
			return err
		}
		if _, err := f.ReadAt(buf, pos); err != nil {
			return err
		}
		if buf[0] != '\n' || pos == end-1 && n > 0 {
			continue
		}
		if seen++; seen >= n {
			_, err = f.Seek(pos+1, io.SeekStart)
			return err
		}
	}
}
