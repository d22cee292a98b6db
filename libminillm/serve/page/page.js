// The chat page.
"use strict";
