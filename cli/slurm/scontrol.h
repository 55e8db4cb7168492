/* scontrol.h - what the keywords of scontrol share */
#ifndef DK_CLI_SLURM_SCONTROL_H
#define DK_CLI_SLURM_SCONTROL_H

#include "cli/slurm/slurm.h"

struct scontrol {
    struct dk_session session;
    int details; /* -d, -dd */
    bool is_oneline, is_quiet, is_all;
};

/* What follows the keyword; returns the exit status. */
typedef int scontrol_keyword(struct scontrol *scontrol, int argc, char **argv);

scontrol_keyword scontrol_show;

/* A row of keywords or entities: any abbreviation of at least `least` letters, case ignored. */
struct scontrol_word {
    const char *name; /* NULL ends a table */
    size_t least;
    scontrol_keyword *run; /* NULL: docket refuses it, and says `why` */
    const char *why;
};

const struct scontrol_word *scontrol_find(const struct scontrol_word *words, const char *text);

/* "scontrol: error: ..." */
int scontrol_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
