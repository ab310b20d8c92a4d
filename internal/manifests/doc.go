// Package manifests tests the Compose files and the Kubernetes manifests in contrib, by
// the types of their own projects. It is a module of its own, so that its dependencies
// are not the plugin's.
package manifests
