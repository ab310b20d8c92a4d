package manifests_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func load(t *testing.T, file string, env ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../../contrib/docker/" + file}, cli.WithEnv(env), cli.WithInterpolation(true))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

// The Compose files are valid by Compose's own loader, and no service has rights that
// it does not need.
func TestComposeFiles(t *testing.T) {
	for _, file := range []string{"compose.yaml", "compose.cluster.yaml"} {
		t.Run(file, func(t *testing.T) {
			if _, err := load(t, file); err == nil || !strings.Contains(err.Error(), ".env") {
				t.Errorf("without SITE the error should say what to do: %v", err)
			}
			project, err := load(t, file, "SITE=https://app.example.com", "SPOTIFY_CLIENT_ID=0123456789abcdef0123456789abcdef")
			if err != nil {
				t.Fatal(err)
			}
			for name, service := range project.Services {
				if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) || len(service.CapAdd) != 0 || service.Privileged ||
					!slices.Contains(service.SecurityOpt, "no-new-privileges:true") {
					t.Errorf("%s has rights that it does not need", name)
				}
				if service.HealthCheck == nil || len(service.HealthCheck.Test) == 0 {
					t.Errorf("%s has no health check", name)
				}
				if service.Restart != types.RestartPolicyUnlessStopped {
					t.Errorf("%s is not restarted", name)
				}
				for network := range service.Networks {
					if _, ok := project.Networks[network]; !ok {
						t.Errorf("%s is on network %s, which is not there", name, network)
					}
				}
			}
			valkey := project.Services["valkey"]
			if len(valkey.Ports) != 0 || valkey.User == "" {
				t.Errorf("valkey publishes %v, as user %q", valkey.Ports, valkey.User)
			}
			for network := range valkey.Networks {
				if !project.Networks[network].Internal {
					t.Errorf("valkey is on network %s, which is not internal", network)
				}
			}
		})
	}
}

// Nothing but the balancer is reached from outside, and it does not reach the store.
func TestCluster(t *testing.T) {
	project, err := load(t, "compose.cluster.yaml", "SITE=https://app.example.com", "SPOTIFY_CLIENT_ID=0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range project.Services {
		if (len(service.Ports) != 0) != (name == "balancer") {
			t.Errorf("%s publishes %v", name, service.Ports)
		}
		if _, onStore := service.Networks["store"]; onStore == (name == "balancer") {
			t.Errorf("%s is on the networks %v", name, service.NetworksByPriority())
		}
	}
	for _, name := range []string{"caddy1", "caddy2"} {
		if service := project.Services[name]; len(service.Secrets) == 0 || service.Build == nil {
			t.Errorf("%s has no secret or no build: %+v", name, service.Secrets)
		}
	}
}
