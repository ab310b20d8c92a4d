package manifests_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const folder = "../../contrib/kubernetes"

// objects are the manifests by kind and name, each in its own type.
type objects map[string]any

// read decodes all manifests. A member that its type does not have is an error.
func read(t *testing.T) objects {
	t.Helper()
	files, err := filepath.Glob(folder + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	all := objects{}
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all.decode(t, file, document)
		}
	}
	return all
}

func (o objects) decode(t *testing.T, file string, document []byte) {
	t.Helper()
	var head struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        metav1.ObjectMeta `json:"metadata"`
	}
	if err := yaml.Unmarshal(document, &head); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	object := map[string]any{
		"v1 ConfigMap":                       &corev1.ConfigMap{},
		"v1 Secret":                          &corev1.Secret{},
		"v1 Service":                         &corev1.Service{},
		"apps/v1 Deployment":                 &appsv1.Deployment{},
		"networking.k8s.io/v1 Ingress":       &networkingv1.Ingress{},
		"networking.k8s.io/v1 NetworkPolicy": &networkingv1.NetworkPolicy{},
		"policy/v1 PodDisruptionBudget":      &policyv1.PodDisruptionBudget{},
	}[head.APIVersion+" "+head.Kind]
	if object == nil {
		t.Fatalf("%s: no type for %s %s", file, head.APIVersion, head.Kind)
	}
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		t.Errorf("%s: %v", file, err)
	}
	key := head.Kind + " " + head.Metadata.Name
	if _, twice := o[key]; twice {
		t.Errorf("%s: %s is there twice", file, key)
	}
	if head.Metadata.Labels["app.kubernetes.io/name"] != "caddy-spotify" {
		t.Errorf("%s: %s has no label app.kubernetes.io/name", file, key)
	}
	o[key] = object
}

func one[T any](t *testing.T, o objects, key string) T {
	t.Helper()
	object, ok := o[key].(T)
	if !ok {
		t.Fatalf("there is no %s", key)
	}
	return object
}

// The pod has no rights that it does not need.
func TestPodIsRestricted(t *testing.T) {
	pod := one[*appsv1.Deployment](t, read(t), "Deployment caddy-spotify").Spec.Template.Spec
	if c := pod.SecurityContext; c == nil || c.RunAsNonRoot == nil || !*c.RunAsNonRoot || c.RunAsUser == nil || *c.RunAsUser != 1000 ||
		c.SeccompProfile == nil || c.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("security context of the pod: %+v", c)
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
		t.Error("the pod gets a token for the cluster")
	}
	for _, container := range pod.Containers {
		c := container.SecurityContext
		if c == nil || c.ReadOnlyRootFilesystem == nil || !*c.ReadOnlyRootFilesystem ||
			c.AllowPrivilegeEscalation == nil || *c.AllowPrivilegeEscalation ||
			c.Capabilities == nil || !slices.Equal(c.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(c.Capabilities.Add) != 0 {
			t.Errorf("security context of %s: %+v", container.Name, c)
		}
		if container.Resources.Limits.Memory().IsZero() || container.Resources.Requests.Cpu().IsZero() || container.Resources.Requests.Memory().IsZero() {
			t.Errorf("resources of %s: %+v", container.Name, container.Resources)
		}
	}
}

// O58: an instance whose store is away gets no requests, and is not killed for it.
func TestProbes(t *testing.T) {
	container := one[*appsv1.Deployment](t, read(t), "Deployment caddy-spotify").Spec.Template.Spec.Containers[0]
	for name, probe := range map[string]*corev1.Probe{
		"/spotify/health":      container.ReadinessProbe,
		"/spotify/health/live": container.LivenessProbe,
	} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != name {
			t.Errorf("there is no probe of %s: %+v", name, probe)
			continue
		}
		if port := probe.HTTPGet.Port.StrVal; !slices.ContainsFunc(container.Ports, func(p corev1.ContainerPort) bool { return p.Name == port }) {
			t.Errorf("the probe of %s is for port %q, which the container does not have", name, port)
		}
	}
	if container.StartupProbe == nil || container.StartupProbe.HTTPGet.Path != "/spotify/health/live" {
		t.Errorf("startup probe: %+v", container.StartupProbe)
	}
}

// What one manifest names is in another.
func TestReferences(t *testing.T) {
	all := read(t)
	deployment := one[*appsv1.Deployment](t, all, "Deployment caddy-spotify")
	pod := labels.Set(deployment.Spec.Template.Labels)
	container := deployment.Spec.Template.Spec.Containers[0]
	for name, selector := range map[string]*metav1.LabelSelector{
		"Deployment":          deployment.Spec.Selector,
		"PodDisruptionBudget": one[*policyv1.PodDisruptionBudget](t, all, "PodDisruptionBudget caddy-spotify").Spec.Selector,
		"NetworkPolicy":       &one[*networkingv1.NetworkPolicy](t, all, "NetworkPolicy caddy-spotify").Spec.PodSelector,
		"Service":             {MatchLabels: one[*corev1.Service](t, all, "Service caddy-spotify").Spec.Selector},
	} {
		s, err := metav1.LabelSelectorAsSelector(selector)
		if err != nil || s.Empty() || !s.Matches(pod) {
			t.Errorf("the selector of the %s, %v, does not select the pods (%v)", name, selector, err)
		}
	}
	if least := one[*policyv1.PodDisruptionBudget](t, all, "PodDisruptionBudget caddy-spotify").Spec.MinAvailable; int32(least.IntValue()) >= *deployment.Spec.Replicas {
		t.Errorf("a node cannot be drained: %d of %d pods must be available", least.IntValue(), *deployment.Spec.Replicas)
	}
	mounts := map[string]bool{}
	for _, m := range container.VolumeMounts {
		mounts[m.Name] = true
	}
	for _, v := range deployment.Spec.Template.Spec.Volumes {
		if !mounts[v.Name] {
			t.Errorf("volume %s is not mounted", v.Name)
		}
		delete(mounts, v.Name)
		if v.ConfigMap != nil && one[*corev1.ConfigMap](t, all, "ConfigMap "+v.ConfigMap.Name).Data["Caddyfile"] == "" {
			t.Errorf("ConfigMap %s has no Caddyfile", v.ConfigMap.Name)
		}
		if v.Secret != nil && one[*corev1.Secret](t, all, "Secret "+v.Secret.SecretName).StringData["store_password"] == "" {
			t.Errorf("Secret %s has no store_password", v.Secret.SecretName)
		}
	}
	if len(mounts) != 0 {
		t.Errorf("these volumes are mounted and not there: %v", mounts)
	}
	for _, from := range container.EnvFrom {
		data := one[*corev1.ConfigMap](t, all, "ConfigMap "+from.ConfigMapRef.Name).Data
		if data["SITE"] == "" || data["SPOTIFY_CLIENT_ID"] == "" {
			t.Errorf("the environment lacks SITE or SPOTIFY_CLIENT_ID: %v", data)
		}
	}
	for _, rule := range one[*networkingv1.NetworkPolicy](t, all, "NetworkPolicy caddy-spotify").Spec.Ingress {
		if len(rule.From) == 0 || len(rule.Ports) == 0 {
			t.Errorf("the NetworkPolicy lets everyone in: %+v", rule)
		}
	}
	for _, path := range one[*networkingv1.Ingress](t, all, "Ingress caddy-spotify").Spec.Rules[0].HTTP.Paths {
		one[*corev1.Service](t, all, "Service "+path.Backend.Service.Name)
	}
}

// kubectl apply -k takes every manifest but the placeholder of the Secret.
func TestKustomization(t *testing.T) {
	content, err := os.ReadFile(folder + "/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var kustomization struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Resources  []string `json:"resources"`
	}
	if err := yaml.UnmarshalStrict(content, &kustomization); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(folder + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, file := range files {
		if base := filepath.Base(file); base != "kustomization.yaml" && base != "secret.yaml" {
			want = append(want, base)
		}
	}
	slices.Sort(kustomization.Resources)
	if !slices.Equal(kustomization.Resources, want) {
		t.Errorf("resources %q, want %q", kustomization.Resources, want)
	}
}
