# SPDX-License-Identifier: MIT
"""What GitLab Runner does with a custom executor, one idea per module.

The rules are those of GitLab Runner 19.4 (https://gitlab.com/gitlab-org/gitlab-runner), cited by
its own files and functions: where its documentation and its code differ, the code is right.
"""
