package redistest

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// StartCluster starts a Redis Cluster of n masters that share the slots evenly
// and have no replicas. It returns once every node says that all is well.
func StartCluster(tb testing.TB, n int) []*Server {
	tb.Helper()
	const slots = 16384
	nodes := make([]*Server, n)
	for i := range nodes {
		nodes[i] = Start(tb, Args("--cluster-enabled", "yes", "--cluster-node-timeout", "5000"))
		first, last := i*slots/n, (i+1)*slots/n-1
		nodes[i].Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
		// Distinct epochs from the start spare the nodes to quarrel about them.
		nodes[i].Do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	for _, node := range nodes[1:] {
		host, port, err := net.SplitHostPort(node.Addr)
		if err != nil {
			tb.Fatal(err)
		}
		nodes[0].Do("CLUSTER", "MEET", host, port)
	}
	deadline := time.Now().Add(time.Minute)
	for _, node := range nodes {
		for !node.clusterReady(n) {
			if time.Now().After(deadline) {
				tb.Fatalf("the cluster did not come up: %v", node.Do("CLUSTER", "INFO"))
			}
			// A cluster tells nobody when it is ready.
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nodes
}

func (s *Server) clusterReady(n int) bool {
	s.tb.Helper()
	info, _ := s.Do("CLUSTER", "INFO").(string)
	return strings.Contains(info, "cluster_state:ok") &&
		strings.Contains(info, "cluster_size:"+strconv.Itoa(n)+"\r\n")
}
