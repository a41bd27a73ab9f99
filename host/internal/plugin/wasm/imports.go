package wasm

import (
	"context"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/weir-media/weir/abi/v1"
)

// errno is a result of a preview1 function (WASI preview1, "errno").
type errno uint64

const (
	errnoSuccess errno = 0
	errnoBadf    errno = 8
	errnoFault   errno = 21
	errnoInval   errno = 28
	errnoNosys   errno = 52
)

// hostFunc is a function that guests may import. params and results are one letter a value: i for i32, I for i64.
type hostFunc struct {
	name    string
	params  string
	results string
	call    func(g *guest, mod api.Module, stack []uint64)
}

// weirFuncs is all that a guest gets from the host (abi/v1/spec.md 2.1, 2.2).
var weirFuncs = []hostFunc{{"log", "iii", "", guestLog}}

// wasiFuncs are the functions of preview1 in the order of its documentation. All that could give a guest something gives an error instead.
var wasiFuncs = []hostFunc{
	{"args_get", "ii", "i", answer(errnoSuccess)}, // there are none to write
	{"args_sizes_get", "ii", "i", nothing},
	{"environ_get", "ii", "i", answer(errnoSuccess)},
	{"environ_sizes_get", "ii", "i", nothing},
	{"clock_res_get", "ii", "i", clockRes},
	{"clock_time_get", "iIi", "i", clockTime},
	{"fd_advise", "iIIi", "i", answer(errnoBadf)},
	{"fd_allocate", "iII", "i", answer(errnoBadf)},
	{"fd_close", "i", "i", answer(errnoBadf)},
	{"fd_datasync", "i", "i", answer(errnoBadf)},
	{"fd_fdstat_get", "ii", "i", answer(errnoBadf)},
	{"fd_fdstat_set_flags", "ii", "i", answer(errnoBadf)},
	{"fd_fdstat_set_rights", "iII", "i", answer(errnoBadf)},
	{"fd_filestat_get", "ii", "i", answer(errnoBadf)},
	{"fd_filestat_set_size", "iI", "i", answer(errnoBadf)},
	{"fd_filestat_set_times", "iIIi", "i", answer(errnoBadf)},
	{"fd_pread", "iiiIi", "i", answer(errnoBadf)},
	{"fd_prestat_get", "ii", "i", answer(errnoBadf)},
	{"fd_prestat_dir_name", "iii", "i", answer(errnoBadf)},
	{"fd_pwrite", "iiiIi", "i", answer(errnoBadf)},
	{"fd_read", "iiii", "i", answer(errnoBadf)},
	{"fd_readdir", "iiiIi", "i", answer(errnoBadf)},
	{"fd_renumber", "ii", "i", answer(errnoBadf)},
	{"fd_seek", "iIii", "i", answer(errnoBadf)},
	{"fd_sync", "i", "i", answer(errnoBadf)},
	{"fd_tell", "ii", "i", answer(errnoBadf)},
	{"fd_write", "iiii", "i", fdWrite},
	{"path_create_directory", "iii", "i", answer(errnoBadf)},
	{"path_filestat_get", "iiiii", "i", answer(errnoBadf)},
	{"path_filestat_set_times", "iiiiIIi", "i", answer(errnoBadf)},
	{"path_link", "iiiiiii", "i", answer(errnoBadf)},
	{"path_open", "iiiiiIIii", "i", answer(errnoBadf)},
	{"path_readlink", "iiiiii", "i", answer(errnoBadf)},
	{"path_remove_directory", "iii", "i", answer(errnoBadf)},
	{"path_rename", "iiiiii", "i", answer(errnoBadf)},
	{"path_symlink", "iiiii", "i", answer(errnoBadf)},
	{"path_unlink_file", "iii", "i", answer(errnoBadf)},
	{"poll_oneoff", "iiii", "i", pollOneoff},
	{"proc_exit", "i", "", procExit},
	{"proc_raise", "i", "i", answer(errnoNosys)},
	{"sched_yield", "", "i", answer(errnoSuccess)},
	{"random_get", "ii", "i", randomGet},
	{"sock_accept", "iii", "i", answer(errnoBadf)},
	{"sock_recv", "iiiiii", "i", answer(errnoBadf)},
	{"sock_send", "iiiii", "i", answer(errnoBadf)},
	{"sock_shutdown", "ii", "i", answer(errnoBadf)},
}

var hostModules = map[string][]hostFunc{abi.HostModule: weirFuncs, wasiModule: wasiFuncs}

// hostSignature gives the signature of a function that guests may import, as Symbol.Type writes it.
func hostSignature(module, name string) (string, bool) {
	for _, f := range hostModules[module] {
		if f.name == name {
			return f.signature(), true
		}
	}
	return "", false
}

func (f hostFunc) signature() string {
	var params []string
	for _, v := range valueTypeList(f.params) {
		params = append(params, api.ValueTypeName(v))
	}
	s := "(" + strings.Join(params, ", ") + ")"
	for _, v := range valueTypeList(f.results) {
		s += " -> " + api.ValueTypeName(v)
	}
	return s
}

func valueTypeList(letters string) []api.ValueType {
	all := make([]api.ValueType, 0, len(letters))
	for _, c := range letters {
		v := api.ValueTypeI32
		if c == 'I' {
			v = api.ValueTypeI64
		}
		all = append(all, v)
	}
	return all
}

// provide instantiates the host's modules in a runtime. GoModuleFunctions are called without reflection: 63 ns against 293 (abi.md, "Traps met").
func provide(ctx context.Context, r wazero.Runtime) error {
	for module, funcs := range hostModules {
		b := r.NewHostModuleBuilder(module)
		for _, f := range funcs {
			call := f.call
			fn := api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
				g := guestOf(ctx)
				g.tank.hostCall()
				call(g, mod, stack)
			})
			b = b.NewFunctionBuilder().WithGoModuleFunction(fn, valueTypeList(f.params), valueTypeList(f.results)).Export(f.name)
		}
		if _, err := b.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}
