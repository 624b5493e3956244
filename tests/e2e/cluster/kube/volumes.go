package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	resourceapi "k8s.io/kubernetes/pkg/api/v1/resource"
)

// files are the contents of a volume that is made of objects.
type files map[string]volumeFile

type volumeFile struct {
	data []byte
	mode os.FileMode
}

func (f files) put(path string, data []byte, mode, fallback *int32) {
	m := os.FileMode(0o644)
	if fallback != nil {
		m = os.FileMode(*fallback)
	}
	if mode != nil {
		m = os.FileMode(*mode)
	}
	f[filepath.Clean("/" + path)[1:]] = volumeFile{data, m}
}

// putItems chooses from an object's data, all of it if nothing is chosen.
func (f files) putItems(data map[string][]byte, items []corev1.KeyToPath, mode *int32, optional bool, what string) error {
	if len(items) == 0 {
		for k, v := range data {
			f.put(k, v, nil, mode)
		}
		return nil
	}
	for _, i := range items {
		v, ok := data[i.Key]
		if !ok {
			if optional {
				continue
			}
			return fmt.Errorf("%s references non-existent key: %s", what, i.Key)
		}
		f.put(i.Path, v, i.Mode, mode)
	}
	return nil
}

// makeVolumes makes all volumes of the pod or none.
func (p *pod) makeVolumes() (map[string]string, error) {
	out := map[string]string{}
	for i := range p.object().Spec.Volumes {
		v := &p.object().Spec.Volumes[i]
		dir := filepath.Join(p.runDir, "volumes", v.Name)
		out[v.Name] = dir
		switch {
		case v.EmptyDir != nil:
			if err := os.MkdirAll(dir, 0o777); err != nil {
				return nil, err
			}
			os.Chmod(dir, 0o777)
		case v.HostPath != nil:
			path, err := hostPath(v.HostPath)
			if err != nil {
				return nil, err
			}
			out[v.Name] = path
		default:
			f, err := p.volumeFiles(v)
			if err != nil {
				return nil, err
			}
			if err := f.write(dir); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func hostPath(h *corev1.HostPathVolumeSource) (string, error) {
	kind := corev1.HostPathUnset
	if h.Type != nil {
		kind = *h.Type
	}
	info, err := os.Stat(h.Path)
	switch kind {
	case corev1.HostPathUnset, corev1.HostPathDirectoryOrCreate:
		if os.IsNotExist(err) {
			err = os.MkdirAll(h.Path, 0o755)
		}
	case corev1.HostPathFileOrCreate:
		if os.IsNotExist(err) {
			err = os.WriteFile(h.Path, nil, 0o644)
		}
	case corev1.HostPathDirectory:
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("hostPath type check failed: %s is not a directory", h.Path)
		}
	case corev1.HostPathFile:
		if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("hostPath type check failed: %s is not a file", h.Path)
		}
	}
	return h.Path, err
}

// volumeFiles collects what is to be in a volume of objects.
func (p *pod) volumeFiles(v *corev1.Volume) (files, error) {
	f := files{}
	switch {
	case v.ConfigMap != nil:
		return f, p.addConfigMap(f, v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.DefaultMode, v.ConfigMap.Optional)
	case v.Secret != nil:
		return f, p.addSecret(f, v.Secret.SecretName, v.Secret.Items, v.Secret.DefaultMode, v.Secret.Optional)
	case v.DownwardAPI != nil:
		return f, p.addDownward(f, v.DownwardAPI.Items, v.DownwardAPI.DefaultMode)
	case v.Projected != nil:
		mode := v.Projected.DefaultMode
		for _, s := range v.Projected.Sources {
			var err error
			switch {
			case s.ConfigMap != nil:
				err = p.addConfigMap(f, s.ConfigMap.Name, s.ConfigMap.Items, mode, s.ConfigMap.Optional)
			case s.Secret != nil:
				err = p.addSecret(f, s.Secret.Name, s.Secret.Items, mode, s.Secret.Optional)
			case s.DownwardAPI != nil:
				err = p.addDownward(f, s.DownwardAPI.Items, mode)
			case s.ServiceAccountToken != nil:
				err = p.addToken(f, s.ServiceAccountToken, mode)
			default:
				err = fmt.Errorf("volume %s: this projected source is not supported", v.Name)
			}
			if err != nil {
				return nil, err
			}
		}
		return f, nil
	}
	return nil, fmt.Errorf("volume %s: this kind is not supported", v.Name)
}

func (p *pod) addConfigMap(f files, name string, items []corev1.KeyToPath, mode *int32, optional *bool) error {
	opt := optional != nil && *optional
	cm, err := p.n.configMaps().ConfigMaps(p.ns).Get(name)
	if err != nil {
		if opt && apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	data := map[string][]byte{}
	for k, v := range cm.Data {
		data[k] = []byte(v)
	}
	for k, v := range cm.BinaryData {
		data[k] = v
	}
	return f.putItems(data, items, mode, opt, "configmap "+name)
}

func (p *pod) addSecret(f files, name string, items []corev1.KeyToPath, mode *int32, optional *bool) error {
	opt := optional != nil && *optional
	s, err := p.n.secrets().Secrets(p.ns).Get(name)
	if err != nil {
		if opt && apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	return f.putItems(s.Data, items, mode, opt, "secret "+name)
}

func (p *pod) addDownward(f files, items []corev1.DownwardAPIVolumeFile, mode *int32) error {
	for _, i := range items {
		var value string
		var err error
		if i.FieldRef != nil {
			value, err = p.field(i.FieldRef.FieldPath)
		} else if i.ResourceFieldRef != nil {
			value, err = resourceapi.ExtractResourceValueByContainerName(i.ResourceFieldRef, p.object(), i.ResourceFieldRef.ContainerName)
		}
		if err != nil {
			return err
		}
		f.put(i.Path, []byte(value), i.Mode, mode)
	}
	return nil
}

func (p *pod) addToken(f files, src *corev1.ServiceAccountTokenProjection, mode *int32) error {
	obj := p.object()
	req := &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{
		ExpirationSeconds: src.ExpirationSeconds,
		BoundObjectRef:    &authv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: p.name, UID: p.uid},
	}}
	if src.Audience != "" {
		req.Spec.Audiences = []string{src.Audience}
	}
	t, err := p.n.client.CoreV1().ServiceAccounts(p.ns).CreateToken(context.Background(), obj.Spec.ServiceAccountName, req, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("token of service account %s: %w", obj.Spec.ServiceAccountName, unfound(err))
	}
	f.put(src.Path, []byte(t.Status.Token), nil, mode)
	return nil
}

// unfound hides that something was not found where no watch will tell when it
// is there, so that the caller tries again by itself.
func unfound(err error) error {
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%v", err)
	}
	return err
}

// write makes the folder look like f. Each file is replaced as a whole, so
// that readers see the old text or the new one.
func (f files) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for path, file := range f {
		to := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		tmp := filepath.Join(dir, "..tmp")
		if err := os.WriteFile(tmp, file.data, file.mode); err != nil {
			return err
		}
		os.Chmod(tmp, file.mode)
		if err := os.Rename(tmp, to); err != nil {
			return err
		}
	}
	return filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if _, ok := f[rel]; !ok {
			return os.Remove(path)
		}
		return nil
	})
}

// refreshVolumes brings a changed object into the volumes of a running pod.
// Mounts with a subPath keep the old file, as in a real cluster.
func (p *pod) refreshVolumes(kind, name string) {
	for i := range p.object().Spec.Volumes {
		v := &p.object().Spec.Volumes[i]
		if !(kind == "configmap" && v.ConfigMap != nil && v.ConfigMap.Name == name ||
			kind == "secret" && v.Secret != nil && v.Secret.SecretName == name) {
			continue
		}
		f, err := p.volumeFiles(v)
		if err == nil {
			err = f.write(filepath.Join(p.runDir, "volumes", v.Name))
		}
		if err != nil {
			log.Printf("%s/%s: volume %s: %v", p.ns, p.name, v.Name, err)
		}
	}
}
