/* scontrol.c - the keywords of scontrol; see scontrol.h for what they share */
#include "cli/slurm/scontrol.h"

#include "cli/slurm/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const struct scontrol_word *scontrol_find(const struct scontrol_word *words, const char *text)
{
    size_t size = strlen(text);

    for (; words->name != NULL; words++)
        if (size >= words->least && strncasecmp(words->name, text, size) == 0)
            return words;
    return NULL;
}

int scontrol_error(const char *format, ...)
{
    va_list args;

    (void)fflush(stdout);
    (void)fprintf(stderr, "scontrol: error: ");
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    return 1;
}

static int version(struct scontrol *scontrol, int argc, char **argv)
{
    (void)scontrol;
    (void)argc;
    (void)argv;
    return slurm_print_version();
}

static const struct scontrol_word keywords[] = {
    { "show", 2, scontrol_show, NULL },
    { "version", 4, version, NULL },
    { 0 },
};

static const struct slurm_option options[] = {
    { "oneliner", 'o', SLURM_NO_ARGUMENT, 'o' },
    { "version", 'V', SLURM_NO_ARGUMENT, 'V' },
    { 0 },
};

static int run(struct scontrol *scontrol, int argc, char **argv)
{
    const struct scontrol_word *word;

    if (argc == 0)
        return scontrol_error("a keyword is missing: scontrol show job, hold, release...");
    word = scontrol_find(keywords, argv[0]);
    if (word == NULL) {
        (void)fprintf(stderr, "invalid keyword: %s\n", argv[0]);
        return 1;
    }
    return word->run(scontrol, argc - 1, argv + 1);
}

int slurm_scontrol(int argc, char **argv)
{
    struct slurm_options reader = {
        .table = options, .argc = argc, .argv = argv, .is_stopping = true
    };
    struct scontrol scontrol = { .details = 0 };
    int id;

    while ((id = slurm_options_next(&reader)) != SLURM_OPTION_END) {
        switch (id) {
        case 'o':
            scontrol.is_oneline = true;
            break;
        case 'V':
            return slurm_print_version();
        default:
            return 1;
        }
    }
    return run(&scontrol, argc - reader.at, argv + reader.at);
}
