/// The version of Cygnet, as `cygnet --version` and the status print it.
package let cygnetVersion = "0.1.0"
