// SPDX-License-Identifier: BSD-2-Clause
/*
 * coaxd: serves a directory over CoAP.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <coax/context.h>
#include <coax/credentials.h>
#include <linux/types.h>
#include <coax/maps.h>
#include "coaxd/check.h"
#include "coaxd/control.h"
#include "coaxd/notify.h"
#include "coaxd/options.h"
#include "coaxd/privileges.h"
#include "coaxd/replace.h"
#include "proxy/proxy.h"

/* Of 6 KiB each, when they are all in use. */
#define PROXY_DEFERRED_MAX 16384

/* To one origin: what a small device can hold. */
#define PROXY_NSTART 16

/* Before threads exist, so that the signals wait for coaxd_control_run() in all of them. */
static void block_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Too large a file is an error of a write, not the end. */
	signal(SIGXFSZ, SIG_IGN);
}

static void tell_ready(const struct coaxd_arguments *arguments, const struct coax_logger *logger)
{
	if (arguments->ready_fd < 0)
		return;
	if (write(arguments->ready_fd, "\n", 1) != 1)
		coax_log(logger, COAX_LOG_WARNING,
			 "cannot write to file descriptor %d of --ready-fd: %s",
			 arguments->ready_fd, strerror(errno));
	close(arguments->ready_fd);
}

/* Before it starts threads that serve. */
static void give_up_privileges(void *arg)
{
	const struct coaxd_options *options = arg;
	int err = coaxd_privileges_drop(options->context.accel.interface_count);

	if (!err)
		return;
	coax_log(&options->context.logger, COAX_LOG_ERROR, "cannot give up capabilities: %s",
		 strerror(-err));
	exit(EXIT_FAILURE);
}

static const char *instance_of(const struct coaxd_options *options)
{
	const char *instance = options->context.accel.instance;

	return instance ? instance : COAX_INSTANCE_DEFAULT;
}

/* In the place of another daemon, if that is asked for and there is one. */
static int create_context(struct coax_context **context, struct coaxd_options *options,
			  bool replace)
{
	struct coaxd_replacement replacement;
	int err;

	coaxd_privileges_use();
	options->context.accel.attached = give_up_privileges;
	options->context.accel.arg = options;
	if (!replace)
		return coax_context_create(context, &options->context);
	err = coaxd_replace_begin(&replacement, instance_of(options), &options->context.logger);
	if (err)
		return err;
	if (replacement.connection >= 0)
		options->context.succession = &replacement.succession;
	err = coax_context_create(context, &options->context);
	if (err) {
		coaxd_replace_end(&replacement, NULL);
		return err;
	}
	err = coaxd_replace_end(&replacement, *context);
	if (err)
		coax_context_shutdown(*context);
	return err;
}

/* With the credentials, if there are any. */
static int open_context(struct coax_context **context, struct coaxd_options *options, bool replace)
{
	char error[COAX_CREDENTIALS_ERROR_MAX];
	int err = coaxd_security_load(&options->security, &options->context.server_credentials,
				      error);

	/* Clients of a proxy, which a reload may bring, wait for origins, many for one response. */
	options->context.tuning.deferred_max = PROXY_DEFERRED_MAX;
	if (!options->context.tuning.nstart_max)
		options->context.tuning.nstart_max = PROXY_NSTART;
	/* Those for patterns of URIs are a client's, and never accepted from others. */
	if (coaxd_options_have_proxy(options))
		options->context.client_credentials = options->context.server_credentials;
	if (err)
		coax_log(&options->context.logger, COAX_LOG_ERROR, "%s", error);
	else
		err = create_context(context, options, replace);
	coax_credentials_release(options->context.server_credentials);
	options->context.server_credentials = NULL;
	options->context.client_credentials = NULL;
	return err;
}

static void tell_directory(const struct coaxd_served *served, const char *directory,
			   const char *prefix)
{
	unsigned int port = coax_context_port(served->context);
	unsigned int secure = coax_context_secure_port(served->context);
	const char *at = *prefix ? " at /" : "";

	if (port)
		coax_log(served->logger, COAX_LOG_INFO, "serving %s%s%s on port %u", directory, at,
			 prefix, port);
	if (secure)
		coax_log(served->logger, COAX_LOG_INFO, "serving %s%s%s by coaps at port %u",
			 directory, at, prefix, secure);
}

/* What 0 in --bind has become is known now. */
static void tell_ports(const struct coaxd_served *served)
{
	const struct coaxd_files *files = served->directories.first;

	if (!files)
		tell_directory(served, "what origins have", "");
	for (; files; files = files->next)
		tell_directory(served, files->directory, files->prefix);
}

/* What is to go on until the Context ends. Returns 0 or a negative errno, and has said why. */
static int begin(struct coaxd_served *served, struct coaxd_control *control,
		 const struct coaxd_options *options, const sigset_t *signals)
{
	int err = served->proxy ? coax_proxy_start(served->proxy, served->context) : 0;

	if (err) {
		coax_log(served->logger, COAX_LOG_ERROR, "cannot start the proxy: %s",
			 strerror(-err));
		return err;
	}
	err = coaxd_control_open(control, instance_of(options), served->arguments->replace, signals,
				 served->logger);
	if (err) {
		coax_log(served->logger, COAX_LOG_ERROR, "cannot wait for signals: %s",
			 strerror(-err));
		if (served->proxy)
			coax_proxy_stop(served->proxy);
	}
	return err;
}

static int serve(struct coaxd_served *served, struct coaxd_options *options,
		 struct coaxd_monitor *monitor, const sigset_t *signals)
{
	const struct coaxd_arguments *arguments = served->arguments;
	struct coaxd_control control = {.served = served};
	int err;

	options->context.site = served->site;
	err = open_context(&served->context, options, arguments->replace);
	if (err)
		return err;
	err = begin(served, &control, options, signals);
	if (err) {
		coax_context_shutdown(served->context);
		return err;
	}
	tell_ports(served);
	if (!options->context.accel.interface_count)
		coax_log(served->logger, COAX_LOG_INFO,
			 "answering from userspace alone: no --interface was named for the kernel "
			 "to answer on");
	coaxd_monitor_begin(monitor, &options->monitor,
			    (struct coaxd_counting){served->context, &served->proxy},
			    served->logger);
	tell_ready(arguments, served->logger);
	coaxd_notify("READY=1\nSTATUS=Serving on port %u", coax_context_port(served->context));

	coaxd_control_run(&control, served->context);
	coaxd_notify("STOPPING=1");
	coaxd_monitor_end(monitor);
	coaxd_control_close(&control);
	if (served->proxy)
		coax_proxy_stop(served->proxy);
	coax_context_shutdown(served->context);
	return 0;
}

/* There were none before that anybody has asked. */
static void ignore_added(void *arg, const char *prefix)
{
	(void)arg;
	(void)prefix;
}

static int make_directories(struct coaxd_served *served)
{
	const struct coaxd_files_options *failed;

	return coaxd_directories_make(&served->directories, served->started->files,
				      served->started->files_count, &failed);
}

static int build_site(struct coaxd_served *served, struct coaxd_monitor *monitor)
{
	int err = coax_site_create(&served->site);

	if (!err)
		err = coaxd_directories_use(&served->directories, served->site,
					    served->started->files, served->started->files_count,
					    ignore_added, NULL);
	if (!err)
		err = coaxd_monitor_add(monitor, &served->started->monitor, served->site);
	if (!err)
		err = coaxd_security_apply(&served->started->security, NULL, served->site);
	if (err)
		coax_log(served->logger, COAX_LOG_ERROR, "cannot build the site: %s",
			 strerror(-err));
	if (!err && coaxd_options_have_proxy(served->started))
		err = coax_proxy_create(&served->proxy, served->site, &served->started->proxy);
	return err;
}

static int run(const struct coaxd_arguments *arguments, struct coaxd_options *options)
{
	struct coaxd_served served = {
		.arguments = arguments,
		.started = options,
		.options = options,
		.logger = &options->context.logger,
	};
	struct coaxd_monitor monitor;
	sigset_t signals;
	int err;

	coaxd_log_set_level(options->log.level);
	block_signals(&signals);
	err = coaxd_privileges_become(options->user, instance_of(options), served.logger);
	if (!err)
		err = make_directories(&served);
	if (!err)
		err = build_site(&served, &monitor);
	if (!err)
		err = serve(&served, options, &monitor, &signals);
	coax_proxy_destroy(served.proxy);
	coax_site_destroy(served.site);
	coaxd_directories_destroy(&served.directories);
	if (served.options != options)
		coaxd_options_destroy(served.options);
	return err;
}

int main(int argc, char **argv)
{
	static const struct coaxd_log_options plain = {.level = COAX_LOG_WARNING};
	const struct coax_logger logger = coaxd_log_make(&plain);
	struct coaxd_problems problems = {.logger = &logger};
	struct coaxd_arguments arguments;
	struct coaxd_options *options = NULL;
	int status = coaxd_arguments_read(&arguments, argc, argv);

	if (status < 0) {
		options = coaxd_options_create(&arguments, &problems);
		status = options ? EXIT_SUCCESS : EXIT_FAILURE;
		if (arguments.check)
			status = coaxd_check(options, &problems) ? EXIT_FAILURE : EXIT_SUCCESS;
		else if (options)
			status = run(&arguments, options) ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	coaxd_options_destroy(options);
	coaxd_arguments_free(&arguments);
	return status;
}
