// The link of `twotier dashboard` carries its code behind the `#`, which no server and no log sees.
// It goes out of the address before anything else happens.
"use strict";
const code = decodeURIComponent(location.hash.slice(1));
if (code) {
  history.replaceState(null, "", location.pathname + location.search);
  document.getElementById("code").value = code;
  document.getElementById("login").submit();
}
