# SPDX-License-Identifier: MIT
"""Which rules of GitLab Runner's contract the executables of a custom executor hold.

`rules` is the list, `cases` what a case is, `bench` what a case works with; the cases themselves
are in one module for each chapter of the list.
"""
