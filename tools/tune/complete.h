/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_COMPLETE_H
#define FL_TUNE_COMPLETE_H

/* For struct fl_verb: the profiles that there are, and the keys that the catalogue knows. */
void fl_tune_complete_profiles(void);
void fl_tune_complete_keys(void);

#endif
