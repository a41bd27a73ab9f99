package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/weir-media/weir/host"
	"github.com/weir-media/weir/host/internal/telemetry"
)

// defaultDrain is how long viewers get to finish (interface: `weir serve`).
const defaultDrain = 10 * time.Second

// defaultTakeoverLimit is how long a server that was taken over waits for its viewers to leave (chosen).
const defaultTakeoverLimit = time.Hour

func newServe() *cobra.Command {
	var config, level string
	var drain, limit time.Duration
	var takeover bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Serve runs the server until it gets SIGTERM or SIGINT; then it drains: nobody joins, and viewers may finish.\n" +
			"A second signal ends it at once. SIGHUP applies the configuration as it is then, modules included. With --takeover it takes over\n" +
			"from the server that runs with the same configuration: its listening sockets and the sources that encoders push; viewers stay\n" +
			"with the old process, which ends when they have left; it is all or nothing, as apply is. It prints each listener, point and plugin, then a line that begins with \"ready\".\n" +
			"Its log goes to the standard error. Without -c it runs ./" + configFile + " if there is one, else a built-in demo.",
		Example: "  weir serve -c plugins.yaml --drain 30s",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			least, err := telemetry.ParseLevel(level)
			if err != nil {
				return usageError{err}
			}
			if limit <= 0 {
				return usageError{errors.New("--takeover-limit is not more than nothing; write a time such as 1h")}
			}
			if drain < 0 {
				return usageError{errors.New("--drain is less than nothing; write a time such as 10s")}
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			context.AfterFunc(ctx, stop) // once a signal came, the next one has its usual effect
			hangup := make(chan os.Signal, 1)
			signal.Notify(hangup, syscall.SIGHUP)
			defer signal.Stop(hangup)
			log, summary := telemetry.OpenLog(cmd.ErrOrStderr(), least)
			defer summary.Close()
			return host.Run(ctx, host.Options{ConfigPath: configPath(config), Environ: os.Environ(), Log: log, Drain: drain,
				Out: cmd.OutOrStdout(), Version: version(), Hangup: hangup, Takeover: takeover, TakeoverLimit: limit})
		},
	}
	configFlag(cmd, &config)
	cmd.Flags().DurationVar(&drain, "drain", defaultDrain, "how long viewers may finish at the end")
	cmd.Flags().BoolVar(&takeover, "takeover", false, "take over from the server that runs; if there is none, just start")
	cmd.Flags().DurationVar(&limit, "takeover-limit", defaultTakeoverLimit, "how long this server keeps its viewers once another has taken over")
	cmd.Flags().StringVar(&level, "log-level", "info", "least severe lines that are logged: debug, info, warn or error")
	return cmd
}

func configFlag(cmd *cobra.Command, config *string) {
	cmd.Flags().StringVarP(config, "config", "c", "", "configuration (default: ./"+configFile+", else the built-in demo)")
}

// configPath is the file to read; "" is the built-in configuration.
func configPath(flag string) string {
	if flag != "" {
		return flag
	}
	if _, err := os.Stat(configFile); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return configFile
}
