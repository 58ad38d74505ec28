package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// staticName is the file that servers without gRPC serve.
const staticName = "static"

// staticArgs are those of a server that serves the files of dir at a port of
// 127.0.0.1 and stays in the foreground, as one process.
type staticArgs func(dir, port string) ([]string, error)

func nghttpdArgs(dir, port string) ([]string, error) {
	return []string{"--no-tls", "-a", "127.0.0.1", "-d", dir, port}, nil
}

// nginxConfig serves files without reading them from the disk again, logs
// nothing and lets a connection last as long as h2load wants. All that it writes
// is in its directory, so that it needs no privileges.
const nginxConfig = `daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {
	worker_connections 4096;
}
http {
	access_log off;
	client_body_temp_path temp;
	proxy_temp_path temp;
	fastcgi_temp_path temp;
	uwsgi_temp_path temp;
	scgi_temp_path temp;
	open_file_cache max=16;
	keepalive_requests 1000000000;
	http2_max_concurrent_streams 1000000;
	server {
		listen 127.0.0.1:%s http2;
		root .;
	}
}
`

func nginxArgs(dir, port string) ([]string, error) {
	name := filepath.Join(dir, "nginx.conf")
	config := fmt.Sprintf(nginxConfig, port)
	return []string{"-p", dir, "-e", "stderr", "-c", name}, os.WriteFile(name, []byte(config), 0o600)
}

// measureStatic measures a server with a file of the response's size: what a
// server in C can do that has nothing to decide.
func (b *bench) measureStatic(ctx context.Context, r row, c contender) (sample, error) {
	if err := os.WriteFile(filepath.Join(b.dir, staticName), make([]byte, r.load.Size), 0o600); err != nil {
		return sample{}, err
	}
	server, addr, err := b.startStatic(ctx, c)
	if err != nil {
		return sample{}, err
	}
	defer server.stop()
	if err := awaitListener(ctx, addr); err != nil {
		return sample{}, err
	}
	before, err := server.usage()
	if err != nil {
		return sample{}, err
	}
	rep, err := b.driveNeutral(ctx, r, addr, false)
	if err != nil {
		return sample{}, err
	}
	after, err := server.usage()
	return sampleOf(rep, after.Since(before)), err
}

// startStatic starts a server of files, which may not listen yet when this returns.
func (b *bench) startStatic(ctx context.Context, c contender) (p *process, addr string, err error) {
	if addr, err = freeAddr(); err != nil {
		return nil, "", err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", err
	}
	args, err := c.static(b.dir, port)
	if err != nil {
		return nil, "", err
	}
	p, err = start(ctx, b.programs[c.ends.server], args...)
	return p, addr, err
}

// freeAddr returns an address that nobody listens at, for a server that cannot choose one
// itself and report it.
func freeAddr() (string, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return lis.Addr().String(), lis.Close()
}

// awaitListener waits until somebody listens at addr.
func awaitListener(ctx context.Context, addr string) error {
	var d net.Dialer
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		nc, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return nc.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}
