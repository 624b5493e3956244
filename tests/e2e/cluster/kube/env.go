package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	resourceapi "k8s.io/kubernetes/pkg/api/v1/resource"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	"weir/cluster/spec"
)

// environment keeps the variables of a container in the order in which they
// were set, because later ones may refer to earlier ones.
type environment struct {
	names  []string
	values map[string]string
}

func (e *environment) set(name, value string) {
	if _, ok := e.values[name]; !ok {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

func (e *environment) list() []string {
	var out []string
	for _, n := range e.names {
		out = append(out, n+"="+e.values[n])
	}
	return out
}

// expand replaces $(NAME), with the same code as kubelet.
func (e *environment) expand(s string) string {
	return expansion.Expand(s, expansion.MappingFuncFor(e.values))
}

func (e *environment) expandAll(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = e.expand(s)
	}
	return out
}

func (c *ctr) environment(img *image) (*environment, error) {
	e := &environment{values: map[string]string{}}
	e.set("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	e.set("HOME", "/root")
	e.set("HOSTNAME", c.p.hostname)
	e.set("KUBERNETES_SERVICE_HOST", spec.NodeIP)
	e.set("KUBERNETES_SERVICE_PORT", spec.APIPort)
	e.set("KUBERNETES_SERVICE_PORT_HTTPS", spec.APIPort)
	for _, v := range img.Env {
		name, value, _ := strings.Cut(v, "=")
		e.set(name, value)
	}
	for _, from := range c.spec.EnvFrom {
		data := map[string]string{}
		var err error
		var optional *bool
		switch {
		case from.ConfigMapRef != nil:
			optional = from.ConfigMapRef.Optional
			cm, e := c.p.n.configMaps().ConfigMaps(c.p.ns).Get(from.ConfigMapRef.Name)
			if err = e; err == nil {
				data = cm.Data
			}
		case from.SecretRef != nil:
			optional = from.SecretRef.Optional
			s, e := c.p.n.secrets().Secrets(c.p.ns).Get(from.SecretRef.Name)
			if err = e; err == nil {
				for k, v := range s.Data {
					data[k] = string(v)
				}
			}
		}
		if err != nil && !(apierrors.IsNotFound(err) && optional != nil && *optional) {
			return nil, err
		}
		for _, k := range slices.Sorted(maps.Keys(data)) {
			e.set(from.Prefix+k, data[k])
		}
	}
	for _, v := range c.spec.Env {
		value, ok, err := c.envValue(e, &v)
		if err != nil {
			return nil, err
		}
		if ok {
			e.set(v.Name, value)
		}
	}
	return e, nil
}

func (c *ctr) envValue(e *environment, v *corev1.EnvVar) (value string, ok bool, err error) {
	f := v.ValueFrom
	switch {
	case f == nil:
		return e.expand(v.Value), true, nil
	case f.FieldRef != nil:
		value, err = c.p.field(f.FieldRef.FieldPath)
		return value, true, err
	case f.ResourceFieldRef != nil:
		value, err = resourceapi.ExtractContainerResourceValue(f.ResourceFieldRef, c.spec)
		return value, true, err
	case f.ConfigMapKeyRef != nil:
		r := f.ConfigMapKeyRef
		cm, err := c.p.n.configMaps().ConfigMaps(c.p.ns).Get(r.Name)
		if err == nil {
			value, ok = cm.Data[r.Key]
		}
		return value, ok, missing(err, ok, r.Optional, "configmap", r.Name, r.Key)
	case f.SecretKeyRef != nil:
		r := f.SecretKeyRef
		s, err := c.p.n.secrets().Secrets(c.p.ns).Get(r.Name)
		if err == nil {
			var b []byte
			b, ok = s.Data[r.Key]
			value = string(b)
		}
		return value, ok, missing(err, ok, r.Optional, "secret", r.Name, r.Key)
	}
	return "", false, fmt.Errorf("environment variable %s: this source is not supported", v.Name)
}

// missing decides whether an absent object or key is an error.
func missing(err error, ok bool, optional *bool, kind, name, key string) error {
	if ok || optional != nil && *optional && (err == nil || apierrors.IsNotFound(err)) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("couldn't find key %s in %s %s", key, kind, name)
}

// field is a field of the pod, for fieldRef. What the node decides is taken
// from here: the API server may not have it yet.
func (p *pod) field(path string) (string, error) {
	obj := p.object()
	switch path {
	case "status.podIP", "status.podIPs":
		return p.address(), nil
	case "status.hostIP", "status.hostIPs":
		return spec.NodeIP, nil
	case "spec.nodeName":
		return obj.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return obj.Spec.ServiceAccountName, nil
	}
	return fieldpath.ExtractFieldPathAsString(obj, path)
}
