/* SPDX-License-Identifier: BSD-2-Clause */
/* keelctl doctor: is Keel below this kernel, and can this user start VMs? If not, why? */
#ifndef KEELCTL_DOCTOR_H
#define KEELCTL_DOCTOR_H

/* The first thing that is wrong decides the exit status. 1 and 2 are as for all commands. */
enum {
	DOCTOR_NOT_BELOW = 3, /* no Keel below this kernel */
	DOCTOR_NO_MODULE,     /* keel.ko is not loaded */
	DOCTOR_VERSIONS,      /* Keel, keel.ko and keelctl are not of one version */
	DOCTOR_NO_DEVICE,     /* /dev/kvm cannot be used by this user */
};

/*
 * Print what is right and wrong. root: a directory in place of /, "" for the system that runs.
 * Return: the exit status.
 */
int doctor(const char *root);

#endif
