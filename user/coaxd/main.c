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
#include <linux/types.h>
#include <coax/maps.h>
#include "coaxd/control.h"
#include "coaxd/files.h"
#include "coaxd/options.h"
#include "coaxd/privileges.h"
#include "coaxd/replace.h"
#include "proxy/proxy.h"

/* Of 6 KiB each, when they are all in use. */
#define PROXY_DEFERRED_MAX 16384

/* Before threads exist, so that the signals wait for coaxd_control_run() in all of them. */
static void block_signals(sigset_t *ending)
{
	struct sigaction hangup;

	sigemptyset(ending);
	sigaddset(ending, SIGTERM);
	sigaddset(ending, SIGINT);
	/* Under nohup the end of the terminal is not to be the daemon's. */
	if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
		sigaddset(ending, SIGHUP);
	pthread_sigmask(SIG_BLOCK, ending, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Too large a file is an error of a write, not the end. */
	signal(SIGXFSZ, SIG_IGN);
}

static void tell_ready(const struct coaxd_options *options)
{
	if (options->ready_fd < 0)
		return;
	if (write(options->ready_fd, "\n", 1) != 1)
		coax_log(&options->files.logger, COAX_LOG_WARNING,
			 "cannot write to file descriptor %d of --ready-fd: %s", options->ready_fd,
			 strerror(errno));
	close(options->ready_fd);
}

/* Before it starts threads that serve. */
static void give_up_privileges(void *arg)
{
	const struct coaxd_options *options = arg;
	int err = coaxd_privileges_drop(options->context.accel.interface_count);

	if (!err)
		return;
	coax_log(&options->files.logger, COAX_LOG_ERROR, "cannot give up capabilities: %s",
		 strerror(-err));
	exit(EXIT_FAILURE);
}

static const char *instance_of(const struct coaxd_options *options)
{
	const char *instance = options->context.accel.instance;

	return instance ? instance : COAX_INSTANCE_DEFAULT;
}

/* In the place of another daemon, if that is asked for and there is one. */
static int create_context(struct coax_context **context, struct coaxd_options *options)
{
	struct coaxd_replacement replacement;
	int err;

	coaxd_privileges_use();
	options->context.accel.attached = give_up_privileges;
	options->context.accel.arg = options;
	if (!options->replace)
		return coax_context_create(context, &options->context);
	err = coaxd_replace_begin(&replacement, instance_of(options), &options->files.logger);
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

/* All of it has said why not, if it cannot be had. */
static int create_proxy(struct coax_proxy **proxy, struct coax_site *site,
			const struct coaxd_options *options)
{
	return options->proxy.mapping_count ? coax_proxy_create(proxy, site, &options->proxy) : 0;
}

static int serve(struct coaxd_options *options, struct coax_site *site, struct coax_proxy *proxy,
		 const sigset_t *ending)
{
	const struct coax_logger *logger = &options->files.logger;
	struct coaxd_control control;
	struct coax_context *context;
	int err;

	options->context.site = site;
	/* Clients wait for origins, many for one response. */
	if (proxy)
		options->context.tuning.deferred_max = PROXY_DEFERRED_MAX;
	err = create_context(&context, options);
	if (err)
		return err;
	err = proxy ? coax_proxy_start(proxy, context) : 0;
	if (err) {
		coax_log(logger, COAX_LOG_ERROR, "cannot start the proxy: %s", strerror(-err));
		coax_context_shutdown(context);
		return err;
	}
	err = coaxd_control_open(&control, instance_of(options), options->replace, ending, logger);
	if (err) {
		coax_log(logger, COAX_LOG_ERROR, "cannot wait for signals: %s", strerror(-err));
		coax_proxy_stop(proxy);
		coax_context_shutdown(context);
		return err;
	}
	coax_log(logger, COAX_LOG_INFO, "serving %s on port %u", options->files.directory,
		 coax_context_port(context));
	if (!options->context.accel.interface_count)
		coax_log(logger, COAX_LOG_INFO,
			 "answering from userspace alone: no --interface was named for the kernel "
			 "to answer on");
	tell_ready(options);

	coaxd_control_run(&control, context);
	coaxd_control_close(&control);
	coax_proxy_stop(proxy);
	coax_context_shutdown(context);
	return 0;
}

struct files_creation {
	struct coaxd_files *files;
	const struct coaxd_files_options *options;
	int err;
};

static void *create_files(void *arg)
{
	struct files_creation *creation = arg;

	creation->err = coaxd_privileges_drop(false);
	if (!creation->err)
		creation->err = coaxd_files_create(&creation->files, creation->options);
	return NULL;
}

/* The threads that read and write files have no capabilities: they are one's that had none. */
static int create_files_unprivileged(struct coaxd_files **files,
				     const struct coaxd_files_options *options)
{
	struct files_creation creation = {.options = options};
	pthread_t thread;
	int err = -pthread_create(&thread, NULL, create_files, &creation);

	if (!err)
		err = -pthread_join(thread, NULL);
	*files = creation.files;
	return err ? err : creation.err;
}

int main(int argc, char **argv)
{
	struct coaxd_files *files = NULL;
	struct coax_proxy *proxy = NULL;
	struct coax_site *site = NULL;
	struct coaxd_options options;
	sigset_t ending;
	int status = coaxd_options_read(&options, argc, argv);
	int err;

	if (status >= 0)
		return status;
	block_signals(&ending);

	err = coaxd_privileges_become(options.user, instance_of(&options), &options.files.logger);
	if (!err)
		err = create_files_unprivileged(&files, &options.files);
	if (err)
		return EXIT_FAILURE;
	err = coax_site_create(&site);
	if (!err)
		err = coaxd_files_add(files, site);
	if (err)
		coax_log(&options.files.logger, COAX_LOG_ERROR, "cannot build the site: %s",
			 strerror(-err));
	else
		err = create_proxy(&proxy, site, &options);
	if (!err)
		err = serve(&options, site, proxy, &ending);
	coax_proxy_destroy(proxy);
	coax_site_destroy(site);
	coaxd_files_destroy(files);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
