package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// cppPackages are what Debian's apt-get installs for the build of cpp.
const cppPackages = "g++ pkg-config libgrpc++-dev protobuf-compiler protobuf-compiler-grpc"

// cppPlugin generates the service for protoc.
const cppPlugin = "grpc_cpp_plugin"

// lackOfCpp says what is missing for a build of cpp, if anything is.
func lackOfCpp(ctx context.Context) error {
	for _, tool := range []string{"g++", "protoc", cppPlugin} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	_, err := pkgConfig(ctx, "--exists")
	return err
}

// pkgConfig returns what a compiler must be told about the libraries.
func pkgConfig(ctx context.Context, option string) ([]string, error) {
	text, err := output(ctx, "pkg-config", option, "grpc++", "protobuf")
	return strings.Fields(text), err
}

// buildCpp builds the programs of cpp. All that is generated stays in b's
// directory.
func (b *bench) buildCpp(ctx context.Context) error {
	root, err := moduleDir(ctx)
	if err != nil {
		return err
	}
	source := filepath.Join(root, "cpp")
	if err := b.generateCpp(ctx, source); err != nil {
		return err
	}
	objects, err := b.compileCpp(ctx, source)
	if err != nil {
		return err
	}
	libs, err := pkgConfig(ctx, "--libs")
	if err != nil {
		return err
	}
	b.built(cppEnds)
	for _, name := range []string{cppEnds.server, cppEnds.client} {
		args := slices.Concat([]string{"-o", b.programs[name], b.inDir(name + ".o")}, objects, libs)
		if _, err := output(ctx, "g++", args...); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) inDir(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) generateCpp(ctx context.Context, source string) error {
	plugin, err := exec.LookPath(cppPlugin)
	if err != nil {
		return err
	}
	_, err = output(ctx, "protoc", "-I", source, "--cpp_out="+b.dir, "--grpc_out="+b.dir,
		"--plugin=protoc-gen-grpc="+plugin, "benchmark.proto")
	return err
}

// compileCpp compiles the programs, all files at once because each takes seconds, and
// returns what is linked to both.
func (b *bench) compileCpp(ctx context.Context, source string) (common []string, err error) {
	flags, err := pkgConfig(ctx, "--cflags")
	if err != nil {
		return nil, err
	}
	flags = append(flags, "-std=c++17", "-O2", "-DNDEBUG", "-I", b.dir, "-I", source)
	from := map[string]string{
		cppEnds.server: source, cppEnds.client: source, "benchmark.pb": b.dir, "benchmark.grpc.pb": b.dir,
	}
	errs := make(chan error, len(from))
	for name, dir := range from {
		if dir == b.dir {
			common = append(common, b.inDir(name+".o"))
		}
		go func() {
			args := []string{"-c", filepath.Join(dir, name+".cc"), "-o", b.inDir(name + ".o")}
			_, err := output(ctx, "g++", append(args, flags...)...)
			errs <- err
		}()
	}
	for range from {
		err = errors.Join(err, <-errs)
	}
	return common, err
}
