" The options of caddy-spotify in Caddyfiles, after the syntax of any other plugin.
" Each list has one block's options; a test compares them with the program's.

let s:main = 'client_id redirect_uri scopes optional_scopes require_login allow allow_origin session store refresh'
      \ . ' links translate retry cache replay_body compression expose_token share access_keys device_login'
      \ . ' events notify pages quota transport authorize_url token_url api_url'
let s:blocks = {
      \ 'access_keys': 'lifetime max key allow',
      \ 'cache': 'off size',
      \ 'events': 'key',
      \ 'notify': 'header field',
      \ 'pages': 'name logo accent',
      \ 'quota': 'share keys',
      \ 'refresh': 'margin ahead timeout',
      \ 'session': 'idle lifetime cookie same_site reauthorize_notice',
      \ 'share': 'owner allow scopes cors cache stale key',
      \ }

function! s:options(group, names)
  execute 'syntax match' a:group '/^\s*\zs\%(' . join(split(a:names), '\|') . '\)\ze\%(\s\|$\)/ contained'
  execute 'highlight default link' a:group 'Keyword'
endfunction

let s:within = 'caddySpotifyOption,caddySpotifyOther,caddySpotifyString,caddySpotifyPlaceholder,caddySpotifyComment'
call s:options('caddySpotifyOption', s:main)

" A block of another module, such as a store, or of reverse_proxy.
execute 'syntax region caddySpotifyOther start=/\s\zs{\s*$/ end=/^\s*}/ contained contains=' . substitute(s:within, 'caddySpotifyOption,', '', '')
for [s:name, s:names] in items(s:blocks)
  call s:options('caddySpotify_' . s:name, s:names)
  execute 'syntax region caddySpotifyIn_' . s:name 'matchgroup=caddySpotifyOption'
        \ 'start=/^\s*\zs' . s:name . '\%(\s.*\)\?\s{\s*$/ matchgroup=NONE end=/^\s*}/ contained'
        \ 'contains=caddySpotify_' . s:name . ',' . substitute(s:within, 'caddySpotifyOption,\|caddySpotifyOther,', '', 'g')
  let s:within .= ',caddySpotifyIn_' . s:name
endfor

execute 'syntax region caddySpotifyBlock matchgroup=caddySpotifyDirective'
      \ 'start=/^\s*\zs\%(spotify_proxy\|spotify_auth\|transport\s\+spotify\)\%(\s.*\)\?\s{\s*$/'
      \ 'matchgroup=NONE end=/^\s*}/ contains=' . s:within
syntax match caddySpotifyMatcher /\%(^\s*@\S\+\s\+\)\@<=spotify_api\>/
syntax match caddySpotifyPlaceholder /{[^{}[:space:]]\+}/ contained
syntax region caddySpotifyString start=/"/ skip=/\\"/ end=/"/ contained
syntax match caddySpotifyComment /\%(^\|\s\)\zs#.*/ contained

highlight default link caddySpotifyDirective Statement
highlight default link caddySpotifyMatcher Statement
highlight default link caddySpotifyPlaceholder PreProc
highlight default link caddySpotifyString String
highlight default link caddySpotifyComment Comment
