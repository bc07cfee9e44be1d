// SPDX-License-Identifier: MIT
// gitlab-ci-local asks for a Node.js that has Set.prototype.union (22); nothing else keeps it from 20.
if (!Set.prototype.union)
    Set.prototype.union = function (other) { return new Set([...this, ...other]); };
