package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
)

// image is what a container is made from: a folder with the files to lay over
// the root, and what an image's configuration says.
type image struct {
	Root       string `json:"-"`
	Entrypoint []string
	Cmd        []string
	Env        []string
	WorkingDir string
}

// findImage looks an image up among the folders: NAME:TAG is NAME_TAG. A tag
// may carry any suffix after a dash, so that tests can change the image
// without a second copy of it. busybox is the host's own programs.
func (n *nodeRunner) findImage(ref string) (*image, bool) {
	ref, _, _ = strings.Cut(ref, "@")
	for _, p := range []string{"docker.io/", "library/"} {
		ref = strings.TrimPrefix(ref, p)
	}
	name, tag := ref, "latest"
	if i := strings.LastIndexByte(ref, ':'); i >= 0 && !strings.Contains(ref[i:], "/") {
		name, tag = ref[:i], ref[i+1:]
	}
	if name == "busybox" {
		return &image{Cmd: []string{"sh"}, WorkingDir: "/"}, true
	}
	for {
		dir := filepath.Join(n.images, strings.ReplaceAll(name, "/", "_")+"_"+tag)
		if b, err := os.ReadFile(filepath.Join(dir, "config.json")); err == nil {
			img := &image{}
			if json.Unmarshal(b, img) != nil {
				return nil, false
			}
			if img.Root, err = filepath.EvalSymlinks(filepath.Join(dir, "root")); err != nil {
				return nil, false
			}
			return img, true
		}
		i := strings.LastIndexByte(tag, '-')
		if i < 0 {
			return nil, false
		}
		tag = tag[:i]
	}
}
