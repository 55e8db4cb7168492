/* slurm.c - see slurm.h */
#include "cli/slurm/slurm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    slurm_command *run;
} commands[] = {
    { "scontrol", slurm_scontrol },
};

slurm_command *slurm_find(const char *name)
{
    const char *slash = strrchr(name, '/');

    if (slash != NULL)
        name = slash + 1;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run;
    return NULL;
}

int slurm_error(const char *name, const char *format, ...)
{
    va_list args;

    (void)fflush(stdout);
    (void)fprintf(stderr, "%s: error: ", name);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return 1;
}

int slurm_print_version(void)
{
    (void)printf("slurm 22.05.8 (docket)\n");
    return 0;
}

const char *slurm_reason(const struct dk_err *err)
{
    switch ((int)err->status) {
    case DK_NOT_FOUND:
    case DK_IO:
        return "Unable to contact slurm controller (connect failure)";
    case DK_AGAIN:
    case DK_BUSY:
        return "Socket timed out on send/recv operation";
    default:
        return err->text;
    }
}
