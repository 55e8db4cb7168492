#include "sched/state.h"
